"""What version 0.1.0 wrote is read, with the same densities, and its names are still there.

The files in `stored/0.1.0` were written by 0.1.0 itself, with the scripts beside them. They are
never written again: a later version that cannot read one of them has lost something.
"""

import csv
import json
import shutil
import warnings
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

import priory
from priory import networks
from priory.cli import main

STORED = Path(__file__).parent / "stored" / "0.1.0"
TOLERANCES = {  # those of torch.testing
    "float64": {"rtol": 1e-7, "atol": 1e-7},
    "float32": {"rtol": 1.3e-6, "atol": 1e-5},
    "bfloat16": {"rtol": 1.6e-2, "atol": 1e-5},
}
EXPECTED = {
    "prior_log_prob": lambda vae, points, context: vae.prior_distribution(context).log_prob(
        points["z"]
    ),
    "posterior_mean": lambda vae, points, context: vae.posterior(points["x"], context).mean,
    "posterior_scale": lambda vae, points, context: vae.posterior(points["x"], context).stddev,
    "likelihood_log_prob": lambda vae, points, context: vae.likelihood(
        points["z"], context
    ).log_prob(points["x"]),
}
over_models = pytest.mark.parametrize(
    "folder", sorted((STORED / "models").iterdir()), ids=lambda folder: folder.name
)


class OwnEncoder(nn.Module):
    """The encoder of the stored model that has one of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Distribution:
        loc, log_scale = self.linear(x).chunk(2, -1)
        return Independent(Normal(loc, log_scale.exp()), 1)


@torch.no_grad()
def check_densities(vae: priory.VAE, folder: Path) -> None:
    """Compare the densities of a model with those of 0.1.0."""
    stored = json.loads((folder / "expected.json").read_text())
    dtype = json.loads((folder / "model.json").read_text())["dtype"]
    points = {name: torch.tensor(stored[name], dtype=getattr(torch, dtype)) for name in "xz"}
    if "data" in stored:
        data = torch.tensor(stored["data"], dtype=getattr(torch, dtype))
        vae.prior.fit_data(data, vae.encoder)
    context = None
    if "labels" in stored or "index" in stored:
        index, labels = (
            torch.tensor(stored[name]) if name in stored else None for name in ("index", "labels")
        )
        if labels is not None and labels.is_floating_point():
            labels = labels.to(points["x"])
        context = priory.Context(index, covariates=labels)
    for name, density in EXPECTED.items():
        torch.testing.assert_close(
            density(vae, points, context).double(),
            torch.tensor(stored[name], dtype=torch.float64),
            **TOLERANCES[dtype],
            msg=lambda message, name=name: f"{name} of {folder.name}: {message}",
        )


@over_models
def test_a_model_of_0_1_0_loads_with_the_same_densities(folder: Path):
    own = {"encoder": OwnEncoder()} if folder.name == "own-encoder" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        check_densities(priory.load(folder, **own), folder)


def built(description: dict[str, Any]) -> nn.Module:
    """Return a module of ours by its constructor, with the arguments of 0.1.0."""
    arguments = {
        name: built(value) if isinstance(value, dict) and "class" in value else value
        for name, value in description["arguments"].items()
    }
    name = description["class"]
    return getattr(networks if hasattr(networks, name) else priory, name)(**arguments)


@over_models
def test_a_state_dict_of_0_1_0_loads_strictly_into_a_module_built_by_its_constructor(folder: Path):
    description = json.loads((folder / "model.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        parts = {
            name: OwnEncoder() if "foreign" in part else built(part)
            for name, part in description["model"].items()
        }
        vae = priory.VAE(**parts).to(getattr(torch, description["dtype"])).eval()
        state = load_file(folder / "model.safetensors")
        for name, part in parts.items():
            start = f"{name}."
            own = {key.removeprefix(start): t for key, t in state.items() if key.startswith(start)}
            part.load_state_dict(own, strict=True)
        check_densities(vae, folder)


def test_every_prior_decoder_and_network_of_0_1_0_is_stored():
    names = json.loads((STORED / "names.json").read_text())
    kinds = [name for name in names["priory.priors"] if name.endswith("Prior") and name != "Prior"]
    kinds += [name for name in names["priory.networks"] if "." not in name and name != "Context"]
    assert len(kinds) == 22
    texts = [path.read_text() for path in (STORED / "models").glob("*/model.json")]
    assert [kind for kind in kinds if not any(f'"{kind}"' in text for text in texts)] == []


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """Return a copy of the stored runs, which is the working directory."""
    shutil.copytree(STORED / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "runs"


def rows(path: str | Path) -> list[dict[str, float]]:
    with Path(path).open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


COVER_MORE = (
    "share_in_holes_standard_error",
    "prior_in_holes_standard_error",
    "posterior_outside_standard_error",
)
"""Standard errors that cover the sampling of data too, which those of 0.1.0 did not."""


def check_numbers(actual: Any, stored: Any, where: str = "") -> None:
    """Check that all that was stored is there, and numbers the same but for rounding."""
    if isinstance(stored, dict):
        for key, value in stored.items():
            if key in COVER_MORE and value is not None:
                assert actual[key] >= value, key
            else:
                check_numbers(actual[key], value, f"{where}.{key}")
    elif isinstance(stored, list):
        assert len(actual) == len(stored), where
        for position, value in enumerate(stored):
            check_numbers(actual[position], value, f"{where}[{position}]")
    elif isinstance(stored, float):
        assert actual == pytest.approx(stored, rel=1e-4, abs=1e-5), where
    else:
        assert actual == stored, where


def _multinomial_as_stored() -> bool:
    """Whether this torch draws indices as the one that the stored numbers were drawn with."""
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(torch.ones(5), 3, generator=generator).tolist() == [3, 0, 2]


@pytest.mark.skipif(not _multinomial_as_stored(), reason="this torch draws other indices")
@pytest.mark.parametrize("run", ["table", "arrays"])
def test_a_run_of_0_1_0_is_evaluated_to_the_same_numbers(run, runs, capsys):
    main(["evaluate", run, "--importance-samples", "64", "--out", "new.json"])
    stored = json.loads((runs / run / "measures.json").read_text())
    check_numbers(json.loads((runs / "new.json").read_text()), stored)


@pytest.mark.parametrize("run", ["table", "arrays", "compare/ExemplarPrior"])
def test_data_are_scored_encoded_and_sampled_by_a_run_of_0_1_0(run, runs, capsys):
    main(["score", run, "--importance-samples", "16", "--out", "scores.csv"])
    check_numbers(rows("scores.csv"), rows(runs / run / "scores.csv"))
    main(["encode", run, "--out", "latents.csv"])
    check_numbers(rows("latents.csv"), rows(runs / run / "latents.csv"))
    main(["sample", run, "--n", "7", "--out", "samples.csv"])
    assert len((runs / "samples.csv").read_text().splitlines()) == 8


@pytest.mark.parametrize("prior", ["StandardPrior", "MoGPrior"])
def test_a_model_of_a_comparison_of_0_1_0_opens(prior, runs):
    model = priory.load(runs / "compare" / prior)
    assert type(model.prior).__name__ == prior
    assert model.sample(3).shape == (3, 4, 4)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["table", "arrays", "compare"])
def test_a_run_of_0_1_0_is_reported_with_its_own_numbers(run, runs, capsys):
    main(["report", run])
    assert (runs / run / "report.html").read_text().startswith("<!doctype html>")


def test_an_interrupted_run_of_0_1_0_is_refused_in_a_sentence_and_left_as_it_is(runs, capsys):
    files = [runs / "interrupted" / name for name in ("last.ckpt", "metrics.csv")]
    before = [path.read_bytes() for path in files]
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--out", "interrupted", "--resume", "--quiet"])
    assert stopped.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("priory: error: expected a checkpoint of this version of Priory")
    assert line.endswith("start the training again, or finish it with 0.1.0.\n")
    assert line.count("\n") == 1
    assert [path.read_bytes() for path in files] == before


MOVED: dict[str, str] = {
    "priory.training.FoundRun": "priory.runs.Run",
    "priory.training.Training": "priory.training.train",
    "priory.training.find_run": "priory.runs.Run.open",
    "priory.training.find_runs": "priory.runs.Run.open_all",
}
"""Names of 0.1.0 that are no longer there, each with what the error of asking for it names."""


def member(owner: object, name: str) -> object:
    """Return an attribute; of a class also a field that its instances have."""
    if isinstance(owner, type) and name in getattr(owner, "__dataclass_fields__", {}):
        return owner.__dataclass_fields__[name]
    return getattr(owner, name)


def test_every_name_of_0_1_0_still_imports_or_says_its_new_place():
    stored, lost = json.loads((STORED / "names.json").read_text()), []
    paths = [(module, name) for module, names in stored.items() for name in names]
    assert set(MOVED) <= {f"{module}.{name}" for module, name in paths}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for module, name in paths:
            path = f"{module}.{name}"
            try:
                reduce(member, name.split("."), import_module(module))
            except (ImportError, AttributeError) as error:
                if path not in MOVED or MOVED[path] not in str(error):
                    lost.append(f"{path}: {error}")
            else:
                assert path not in MOVED, f"{path} is there, take it out of MOVED"
    assert lost == []
