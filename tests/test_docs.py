"""The Python of the README and of the guides runs as printed."""

import json
import re
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal, get_origin

import numpy as np
import pytest
import torch

import priory
from pages import ROOT, blocks
from priory import MLP, BernoulliDecoder, FlowPrior, GaussianEncoder, MixturePrior
from priory.cli import main
from priory.evaluation import evaluate
from priory.priors import prior_classes
from processes import python
from source_files import people, write_counts

NAMES = """
import sys
from functools import reduce
import priory
for name in sys.argv[1:]:
    try:
        reduce(getattr, name.split(".")[1:], priory)
    except ImportError as error:  # of a host that is not installed here
        assert name.startswith("priory.adapters."), name
        assert "pip install" in str(error), name
"""


def test_every_name_on_the_pages_exists_once_priory_is_imported():
    documents = (ROOT / "docs").rglob("*")
    pages = [ROOT / "README.md", *(page for page in documents if page.suffix in (".md", ".ipynb"))]
    names = {
        name
        for page in pages
        for name in re.findall(r"\bpriory(?:\.[A-Za-z_]\w*)+", page.read_text())
    }
    assert "priory.evaluation.negative_log_likelihood" in names
    python(NAMES, *names)
    for page in pages:
        for block in blocks(str(page.relative_to(ROOT))):
            imports = re.findall(r"^from priory\b[^(\n]*(?:\([^)]*\)|.*)$", block, re.M)
            try:
                exec("\n".join(imports), {})
            except ImportError as error:  # of a host that is not installed here
                if "pip install" not in str(error):
                    raise


ROOMS = ("adapters", "data", "distributions", "evaluation", "likelihoods", "networks", "priors")
ROOMS += ("priors.parts", "report", "runs", "testing", "training")
FILE = re.compile(r"priory\.(hub|processes|adapters\.\w+)\.[a-zA-Z]\w*$")
"""Files whose public names have no list of their own."""


def test_the_reference_has_every_public_name_once_and_no_other():
    rooms = {name: import_module(name) for name in ("priory", *(f"priory.{r}" for r in ROOMS))}
    public = {
        id(getattr(room, name)): f"{path}.{name}"
        for path, room in rooms.items()
        for name in room.__all__
        if f"{path}.{name}" not in rooms and get_origin(getattr(room, name)) is not Literal
    }
    times: Counter[object] = Counter()
    for page in (ROOT / "docs/reference").glob("*.md"):
        for path in re.findall(r"^::: (\S+)$", page.read_text(), re.M):
            if path in rooms:  # with all its names
                times.update(id(getattr(rooms[path], name)) for name in rooms[path].__all__)
            elif FILE.match(path):
                times[path] += 1
            else:
                module, _, name = path.rpartition(".")
                value = id(getattr(import_module(module), name))
                assert value in public, f"{path} is a helper"
                times[value] += 1
    assert not [name for key, name in public.items() if key not in times]
    assert not [public.get(key, key) for key, count in times.items() if count > 1]


def test_each_promise_has_a_test():
    page = (ROOT / "docs" / "promises.md").read_text()
    tests = "".join(file.read_text() for file in (ROOT / "tests").glob("test_*.py"))
    names = re.findall(r"`(test_\w+)`", page)
    assert len(names) > 20
    assert not [name for name in names if f"def {name}(" not in tests]


def test_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(priory, "fit", partial(priory.fit, max_epochs=1, verbose=False))
    names = {
        "torch": torch,
        "encoder": GaussianEncoder(MLP((784,), (80,), (8,))),
        "decoder": BernoulliDecoder(MLP((40,), (784,), (8,))),
        "x": (torch.rand(10, 784) < 0.2).float(),
    }
    own_loop, sampling, swapping, one_call = blocks("README.md")
    for block in (own_loop, sampling):
        exec(block, names)
    assert names["loss"].isfinite()
    assert names["x_new"].shape == (64, 784)
    for line in swapping.splitlines():
        exec(line, names)
        exec(sampling, names)
        assert names["x_new"].shape == (64, 784)
    exec(one_call, names)
    assert names["model"].sample(3).shape == (3, 8, 8)
    assert (tmp_path / "my-model").is_dir()


@pytest.mark.parametrize("page", ["docs/guides/own-loop.md"])
def test_a_guide_runs(page):
    for block in blocks(page):
        names: dict[str, object] = {}
        exec(block, names)
        assert names["samples"].shape == (64, 784)
        assert names["loss"].isfinite()


def test_the_page_on_collapse_runs(capsys):
    encoder, decoder = GaussianEncoder(MLP((6,), (4,))), BernoulliDecoder(MLP((2,), (6,)))
    vae = priory.VAE(encoder, decoder, priory.MoGPrior(2, num_components=3)).eval()
    names = {"vae": vae, "x": (torch.rand(12, 6) < 0.5).float()}
    for block in blocks("docs/collapse.md"):
        exec(block, names)
    rate, units, information, pruned = capsys.readouterr().out.splitlines()
    assert float(rate) > float(information) - 0.1
    assert 0 <= int(units) <= 2
    assert 1 <= int(pruned.split()[0]) <= 3


def test_tutorials_are_stored_as_notebooks_without_outputs():
    notebooks = list((ROOT / "docs/tutorials").glob("*.ipynb"))
    assert len(notebooks) >= 5
    for notebook in notebooks:
        for cell in json.loads(notebook.read_text())["cells"]:
            assert not cell.get("outputs"), notebook.name
            assert cell.get("execution_count") is None, notebook.name


def test_the_page_of_the_kernel_runs():
    names: dict[str, object] = {}
    ensemble, strict_export = blocks("docs/kernel.md")
    assert python(strict_export) == "tensor(True)\n"  # where no signature is checked
    exec(ensemble, names)
    expected = torch.stack([prior().log_prob(names["z"]) for prior in names["priors"]])
    torch.testing.assert_close(names["density"], expected)


def test_the_guide_to_refitting_runs(capsys):
    names: dict[str, object] = {}
    for block in blocks("docs/guides/refit.md"):
        exec(block, names)
        assert names.get("z", torch.zeros(64, 8)).shape == (64, 8)
    out = capsys.readouterr().out
    assert out.count("fitted") == 2
    assert out.count("bound") == 1


def test_the_guide_to_latents_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    script, scales = blocks("docs/guides/latents.md")
    assert len([line for line in script.splitlines() if line]) <= 15
    exec(script, names)
    assert names["new"].shape == (64, 16)
    assert names["score"].mean() > -10
    exec(scales, names)
    assert capsys.readouterr().out.count("bound") == 1


def test_the_guide_to_scikit_learn_runs(capsys):
    names: dict[str, object] = {}
    (script,) = blocks("docs/guides/sklearn.md")
    exec(script, names)
    assert "num_components" in capsys.readouterr().out
    assert names["new"].shape == (100, 4)


def test_the_guide_to_several_processes_runs(capsys):
    names: dict[str, object] = {}
    for block in blocks("docs/guides/processes.md"):
        exec(block, names)
    assert names["samples"].shape == (64, 8)
    assert "fitted" in capsys.readouterr().out


def test_the_guide_to_other_models_runs(capsys):
    FlowPrior(8)  # which imports zuko with torch's checks of arguments left on
    names: dict[str, object] = {}
    for block in blocks("docs/guides/other-models.md"):
        names["z"] = None
        exec(block, names)
        assert names["z"].shape == (64, 8)
    assert capsys.readouterr().out.count("fitted") == 3
    assert len(list(names["encoder"].parameters())) == 4


def test_the_guide_of_likelihoods_runs(capsys):
    names: dict[str, object] = {"x": (torch.rand(10, 9, 9) < 0.5).float()}
    for block in blocks("docs/guides/likelihoods.md"):
        exec(block, names)
    assert capsys.readouterr().out == "bernoulli likelihood (only zeros and ones)\n"
    assert names["mixed"].name == "mixed"
    assert names["decoder"](torch.zeros(2)).event_shape == (9, 9)


def test_the_page_of_mixtures_from_parts_runs():
    (block,) = blocks("docs/priors/mixture.md")
    names = {"MixturePrior": MixturePrior}
    exec(block, names)
    encoder = GaussianEncoder(MLP((8, 8), (4,), (8,)), data_range=(0, 16))
    assert names["prior"](encoder).sample((3,)).shape == (3, 2)


def test_the_page_of_several_levels_runs():
    names: dict[str, object] = {}
    (block,) = blocks("docs/priors/hierarchical.md")
    exec(block, names)
    assert names["rates"].shape == (2, 10)
    assert names["of_level_1"].shape == names["of_level_2"].shape == (5,)
    assert (names["z1"].shape, names["z2"].shape) == ((5, 40), (5, 20))


def test_every_prior_has_a_page_and_a_row_in_the_table():
    table = (ROOT / "docs/priors/index.md").read_text()
    rows = re.findall(r"^\| \[`(\w+)`\]\((\w+\.md)\)", table, re.M)
    assert {name for name, _ in rows} == set(prior_classes(composed=True))
    pages = {path.name for path in (ROOT / "docs/priors").glob("*.md")}
    assert {page for _, page in rows} == pages - {"index.md"}


def test_the_guide_to_data_runs(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    people().assign(id=range(60)).to_csv("people.csv", index=False)
    people(5, seed=1).to_csv("others.csv", index=False)
    counts = np.random.default_rng(0).poisson(1.0, (6, 3)).astype(np.float32)
    cells = pandas.DataFrame({"cell_type": list("aabbcc")}, index=list("uvwxyz"))
    genes = pandas.DataFrame(index=["g1", "g2", "g3"])
    write_counts(Path("cells.h5ad"), np.log1p(counts), cells, genes, counts=counts)
    options = ["--data-options", "{label: class, drop: [id]}", "--max-epochs", "1", "--quiet"]
    options += ["--hidden-sizes", "[4]", "--importance-samples", "2", "--out", "runs/people"]
    main(["train", "--data", "people.csv", *options])
    names: dict[str, object] = {}
    for block in blocks("docs/guides/data.md"):
        exec(block, names)
    assert names["again"].allclose(names["source"].x, atol=1e-5)
    assert names["further"].x.shape == (5, 11)
    assert list(names["people"]) == ["height", "eyes", "children", "born", "left"]
    assert names["cells"].x.tolist() == counts.tolist()
    assert set(names["x"].unique().tolist()) <= {0, 1}


def test_the_guide_of_measures_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"x": (torch.rand(12, 6) < 0.5).float()}
    encoder, decoder = GaussianEncoder(MLP((6,), (4,))), BernoulliDecoder(MLP((2,), (6,)))
    names["vae"] = priory.VAE(encoder, decoder, priory.StandardPrior(2)).eval()
    for run in ("runs/train-1", "runs/train-2"):
        (tmp_path / run).mkdir(parents=True)
        evaluate(names["vae"], names["x"], 4).write_log_prob(tmp_path / run)
    for block in blocks("docs/guides/measures.md"):
        exec(block, names)
    assert names["pairs"].shape == (12, 2)
    assert "spread of codes: " in capsys.readouterr().out
