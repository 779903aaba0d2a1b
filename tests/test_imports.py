"""What `import priory` costs, and what a missing extra says."""

import subprocess
import sys

import pytest

HEAVY = ["lightning", "sklearn", "scipy", "matplotlib", "plotly", "zuko", "arviz", "jsonargparse"]
HEAVY += ["pandas", "pyarrow", "PIL", "anndata"]
TABLE = "import sys; from priory.data import open_table as open; open(sys.executable)"


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_priory_imports_nothing_heavy():
    code = f"import sys, priory; print([name for name in {HEAVY} if name in sys.modules])"
    assert python(code) == "[]\n"


def test_import_changes_no_global_state():
    code = """
import torch

def state():
    return torch.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads()

before = state()
import priory
assert before == state()
"""
    python(code)


@pytest.mark.parametrize(
    ("missing", "code", "extra"),
    [
        ("lightning", "priory.fit", "train"),
        ("sklearn.datasets", "from priory.data import open_digits; open_digits()", "train"),
        ("zuko", "priory.FlowPrior(2)", "flows"),
        (
            "pandas",
            TABLE,
            "data",
        ),
        (
            "anndata",
            TABLE.replace("open_table", "open_counts"),
            "data",
        ),
        (
            "arviz",
            "from priory.evaluation import pareto_k; import torch; pareto_k(torch.rand(30, 2))",
            "measure",
        ),
        ("jsonargparse", "import priory.cli; priory.cli.main([])", "cli"),
        (
            "matplotlib.figure",
            "from priory.report import grid_figure; import torch; "
            "grid_figure(torch.zeros(2, 4, 4), (0, 1))",
            "report",
        ),
    ],
)
def test_a_missing_extra_is_named(missing, code, extra):
    out = (
        python(f"""
import sys, priory
sys.modules[{missing!r}] = None
try:
    {code.replace("; ", chr(10) + "    ")}
except (ImportError, SystemExit) as error:
    print(error, file=sys.stderr if isinstance(error, SystemExit) else sys.stdout)
""")
        or subprocess.run(
            [sys.executable, "-c", f"import sys; sys.modules[{missing!r}] = None; {code}"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
    )
    assert f'pip install "priory[{extra}]"' in out
