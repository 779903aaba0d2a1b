"""Models of several levels through the commands, which are those of any model."""

import json
from importlib import import_module

import numpy as np
import pytest
from safetensors.torch import load_file

from priory.cli import main
from priory.priors import HierarchicalPrior
from priory.runs import Run
from shell import refused, without_pictures

OPTIONS = ["--hidden-sizes", "[8]", "--importance-samples", "8", "--seed", "3", "--quiet"]
TWO = ["--levels", "[3,2]", "--num-components", "4", "--gradient", "path"]
THREE = ["--levels", "3", "--latent-dim", "2", "--inference", "ladder", "--prior", "mog"]
THREE += ["--num-components", "3", "--warmup-epochs", "[1,2,3]", "--free-bits", "0.1"]


@pytest.fixture(scope="module")
def bits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "bits.npy"
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 4, 300)
    shares = 0.1 + 0.2 * kind[:, None, None]
    np.save(path, (generator.random((300, 4, 4)) < shares).astype(np.uint8))
    return str(path)


def train(bits, out, options, epochs, *more):
    command = ["train", "--data", bits, "--out", str(out), "--max-epochs", str(epochs)]
    main([*command, *OPTIONS, *options, *more])


@pytest.fixture(scope="module")
def two(bits, tmp_path_factory):
    """A run of two levels, with its page."""
    out = tmp_path_factory.mktemp("runs") / "two"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("priory.evaluation.interpolation.STEPS", 2)
        patch.setattr("priory.report.written.write_figures", lambda *_: None)
        patch.setattr(import_module("priory.report.latent_map"), "SAMPLES", 2000)
        train(bits, out, TWO, 3)
    return out


@pytest.fixture(scope="module")
def three(bits, tmp_path_factory):
    """A run of a ladder of three levels, one epoch at a time."""
    out = tmp_path_factory.mktemp("runs") / "three"
    with without_pictures():
        train(bits, out, THREE, 3)
    return out


def test_a_run_says_what_each_level_carries(two):
    numbers = json.loads((two / "metrics.json").read_text())
    assert sum(numbers["level_rates"]) == pytest.approx(numbers["rate"], abs=1e-4)
    assert len(numbers["level_active_units"]) == numbers["num_levels"] == 2
    assert numbers["num_components"] == 4
    page = (two / "report.html").read_text()
    for words in ("rate of each level", "of the top level", "with the top fixed", "2-level-Vamp"):
        assert words in page
    head = (two / "metrics.csv").read_text().partition("\n")[0]
    assert head.endswith("rate_1,rate_2")


def test_a_model_is_saved_with_all_its_levels(two, three):
    prior = Run.open(two).model.prior
    assert isinstance(prior, HierarchicalPrior)
    assert (prior.latent_dims, prior.top.num_components) == ((3, 2), 4)
    ladder = Run.open(three).model
    assert ladder.prior.latent_dims == (2, 2, 2)
    z = ladder.prior_distribution().sample((5,))
    assert ladder.likelihood(z).sample().shape == (5, 4, 4)
    names = {name.partition(".")[0] for name, _ in ladder.prior.named_parameters()}
    assert names == {"top"}  # it shares the way down with the encoder


@pytest.mark.parametrize(
    "options",
    [pytest.param(TWO, id="two"), pytest.param(THREE, id="three", marks=pytest.mark.slow)],
)
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(bits, options, request, tmp_path):
    whole = request.getfixturevalue("two" if options is TWO else "three")
    with without_pictures():
        train(bits, tmp_path / "run", options, 1)
        main(["train", "--resume", "--out", str(tmp_path / "run"), "--max-epochs", "3", "--quiet"])
    one, other = (load_file(run / "model.safetensors") for run in (whole, tmp_path / "run"))
    assert one.keys() == other.keys()
    assert all(value.equal(other[name]) for name, value in one.items())


def test_every_command_takes_a_run_of_levels(two, three, bits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = str(two)
    main(["evaluate", run, "--importance-samples", "8", "--max-components", "2"])
    said = " ".join(capsys.readouterr().out.split())
    assert "rate of each level" in said
    assert "of the top level" in said
    found = json.loads((two / "measures.json").read_text())
    assert len(found["latent_use"]["information"]) == 2
    terms = found["surgery"]
    elbo = terms["reconstruction"]["value"] - terms["elbo"]["value"]
    gap = terms["mutual_information"]["value"] + terms["marginal_kl"]["value"]
    assert elbo == pytest.approx(gap, abs=1e-3)
    main(["sample", run, "--per-component", "-n", "2", "--out", "each.npy"])
    assert np.load("each.npy").shape == (4, 2, 4, 4)
    main(["sample", run, "-n", "5", "--out", "all.npy"])
    main(["encode", run, "--out", "z.csv"])
    main(["encode", run, "--level", "2", "--out", "top.csv"])
    whole, top = (np.genfromtxt(f, delimiter=",", skip_header=1) for f in ("z.csv", "top.csv"))
    assert np.array_equal(whole[:, 3:], top)
    head = (tmp_path / "z.csv").read_text()
    assert head.startswith("level1_z1,level1_z2,level1_z3,level2_z1")
    main(["interpolate", run, "--stops", "3", "--out", "path.npy"])
    assert np.load("path.npy").shape == (2, 3, 4, 4)
    main(["score", run, "--importance-samples", "8", "--out", "scores.csv"])
    with without_pictures():
        main(["report", str(three), "--out", "page.html"])
    refused(["encode", run, "--level", "3"], "(next to the data) to 2 (the top), got 3", capsys)


def test_the_prior_of_the_top_is_refitted(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--prior", "mog", "--num-components", "3", "--max-epochs", "2"]
    main(["refit", str(two), *words, "--importance-samples", "8", "--out", "new"])
    before, after = Run.open(two).model, Run.open("new").model
    assert type(after.prior.top).__name__ == "MoGPrior"
    old, new = before.prior.levels.state_dict(), after.prior.levels.state_dict()
    assert all(value.equal(new[name]) for name, value in old.items())
    numbers = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert numbers["after"]["num_components"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prior", "HierarchicalPrior"], "name the top, such as VampPrior, and the levels"),
        (["--levels", "[3,2]", "--latent-dim", "4"], "of which latent_dim=4 is the last"),
        (["--levels", "0"], "expected levels from 1"),
        (["--levels", "[3,0]"], "expected levels from 1"),
        (["--levels", "2", "--warmup-epochs", "[1,2,3]"], "one for each of 2 levels"),
        (["--inference", "ladder"], "expected several levels for inference='ladder'"),
    ],
)
def test_bad_levels_are_refused_in_a_sentence(bits, options, message, tmp_path, capsys):
    refused(["train", "--data", bits, "--out", str(tmp_path / "run"), *options], message, capsys)
