"""What `import priory` costs, and what a missing extra says."""

from processes import python

HEAVY = ["lightning", "sklearn", "scipy", "matplotlib", "plotly", "zuko", "arviz", "jsonargparse"]
HEAVY += ["pandas", "pyarrow", "PIL", "anndata", "huggingface_hub"]

MISSING = [
    ("lightning", "import priory; priory.fit", "train"),
    ("sklearn.datasets", "from priory.data import open_digits; open_digits()", "train"),
    ("zuko", "import priory; priory.FlowPrior(2)", "flows"),
    (
        "arviz",
        "from priory.evaluation import pareto_k; import torch; pareto_k(torch.rand(30, 2))",
        "measure",
    ),
    ("pandas", "from priory.data import open_table; open_table(sys.executable)", "data"),
    ("anndata", "from priory.data import open_counts; open_counts(sys.executable)", "data"),
    ("huggingface_hub", "import priory; priory.load('hf://user/repo')", "hub"),
    ("pyro", "import priory; priory.adapters.pyro", "pyro"),
    ("sklearn.base", "import priory; priory.adapters.sklearn", "train"),
    ("jsonargparse", "import priory.cli; priory.cli.main(['train'])", "cli"),
    (
        "matplotlib.figure",
        "from priory.report import grid_figure; grid_figure(torch.zeros(2, 4, 4), (0, 1))",
        "report",
    ),
    (
        "plotly.offline",
        "from priory.report import write_page; write_page(None, [], None)",
        "report",
    ),
]

# A process for each, all of which begin with torch imported.
WITHOUT = """
import os
import sys
import torch

for missing, code in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    child = os.fork()
    if not child:
        os.dup2(1, 2)
        sys.modules[missing] = None
        try:
            exec(code)
        except ImportError as error:
            print(error)
        break
    os.waitpid(child, 0)
"""


def test_import_priory_imports_nothing_heavy_and_changes_no_global_state():
    code = f"""
import sys
import torch

def state():
    return torch.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads()

before = state()
import priory
assert before == state()
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert python(code) == "[]\n"


def test_rooms_are_there_by_their_names_and_imported_when_they_are_named():
    code = """
import sys
import priory
for room in ("adapters", "data", "evaluation", "report", "testing", "training"):
    assert f"priory.{room}" not in sys.modules, room
    assert room in dir(priory)
print(priory.evaluation.negative_log_likelihood.__name__, priory.adapters.posterior.__name__)
print(priory.training.fit_prior is priory.fit_prior, priory.data.open_data.__name__)
print(priory.report.write_page.__name__, priory.testing.check_prior.__name__)
print(hasattr(priory, "cellar"))
"""
    expected = "negative_log_likelihood posterior True open_data write_page check_prior False"
    assert python(code).split() == expected.split()


def test_commands_that_do_not_train_need_no_lightning():
    code = """
import sys
from priory.commands import command, parser, summaries
for name in summaries():
    if name not in ("compare", "train"):
        parser.parser_of(name, command(name))
        assert "lightning" not in sys.modules, name
"""
    assert python(code) == ""


def test_a_missing_extra_is_named():
    words = [word for missing, code, _ in MISSING for word in (missing, code)]
    lines = python(WITHOUT, *words).splitlines()
    for (missing, _, extra), line in zip(MISSING, lines, strict=True):
        assert f'pip install "priory[{extra}]"' in line, missing
