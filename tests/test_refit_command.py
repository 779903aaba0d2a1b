"""A new prior for a trained model, from the command line."""

import json

import numpy as np
import pytest
import yaml

import priory
from priory import MLP, VAE, BernoulliDecoder, ExemplarPrior, GaussianEncoder, StandardPrior
from priory.cli import main
from priory.runs import Run
from shell import refused

QUICK = ["--importance-samples", "8", "--max-epochs", "4", "--num-components", "5"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of `compare` with one model, under a prior whose exemplars are not saved."""
    monkeypatch.chdir(tmp_path)
    np.save("bits.npy", np.random.default_rng(0).integers(0, 2, (120, 6)))
    run = tmp_path / "run"
    for prior in (StandardPrior(2), ExemplarPrior()):
        encoder = GaussianEncoder(MLP((6,), (4,), (8,)))
        vae = VAE(encoder, BernoulliDecoder(MLP((2,), (6,), (8,))), prior)
        priory.save(vae, run / type(prior).__name__)
    (run / "config.yaml").write_text("data: bits.npy\nseed: 3\n")
    return run


def files(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("old", ["StandardPrior", "ExemplarPrior"])
def test_a_prior_is_exchanged(run, old, capsys):
    before = files(run)
    options = ["--prior", "vamp", "--prior-options", "{weights: uniform}"]
    main(["refit", str(run / old), *QUICK, *options])
    assert files(run) == before
    new = run.parent / "runs" / "refit-1"
    vae, source = priory.load(new), priory.load(run / old)
    assert type(vae.prior).__name__ == "VampPrior"
    assert (str(vae.prior.weights), vae.prior.num_components) == ("uniform", 5)
    for part in ("encoder", "decoder"):
        one, other = (getattr(model, part).state_dict() for model in (vae, source))
        assert all(value.equal(other[key]) for key, value in one.items())
    assert (new / "priors.png").stat().st_size > 1000
    assert (new / "priors.pdf").stat().st_size > 1000
    metrics = json.loads((new / "metrics.json").read_text())
    assert metrics["after"]["num_data"] == 12
    fitted, start = (metrics["cross_entropy"][key] for key in ("fitted", "start"))
    assert fitted["held_out"]["value"] <= start["held_out"]["value"]
    out = capsys.readouterr().out
    for key in ("before", "after"):
        row = metrics[key]
        assert f"{row['nll']:.2f} ± {row['nll_standard_error']:.2f}" in out
    config = yaml.safe_load((new / "config.yaml").read_text())
    assert (config["data"], config["seed"]) == ("bits.npy", 3)


@pytest.mark.usefixtures("unrendered")
def test_a_run_can_be_refitted_again_and_repeats_itself(run):
    main(["refit", str(run / "StandardPrior"), *QUICK, "--prior", "mog", "--out", "first"])
    main(["refit", "first", *QUICK, "--prior", "standard", "--out", "second"])
    main(["refit", "--config", "first/config.yaml", "--out", "again"])
    first, second, again = (
        json.loads((run.parent / name / "metrics.json").read_text())
        for name in ("first", "second", "again")
    )
    assert first == again
    assert second["before"] == first["after"]
    assert second["after"]["nll"] == pytest.approx(first["before"]["nll"])


@pytest.mark.usefixtures("unrendered")
def test_a_model_is_found_from_its_run(run):
    found = Run.open(run / "StandardPrior")
    assert (found.path, found.home, found.seed) == (run / "StandardPrior", run, 3)
    main(["refit", str(run / "StandardPrior"), *QUICK, "--out", "flat"])
    assert Run.open("flat").config.fitting.prior == "VampPrior"
    (run.parent / "one").mkdir()
    (run / "StandardPrior").rename(run.parent / "one" / "Model")
    lone = Run.open(run.parent / "one")
    assert (lone.path.name, lone.config) == ("Model", None)


@pytest.mark.usefixtures("unrendered")
def test_a_trained_run_is_refitted_on_the_data_it_was_tested_on(run):
    np.save("grey.npy", np.random.default_rng(1).integers(0, 256, (90, 6)).astype("uint8"))
    options = ["--max-epochs", "1", "--latent-dim", "2", "--hidden-sizes", "[8]", "--quiet"]
    options += ["--binarise", "dynamic", "--test", "0.2", "--importance-samples", "8"]
    main(["train", "--data", "grey.npy", "--prior", "standard", "--out", "trained", *options])
    main(["refit", "trained", *QUICK, "--prior", "standard", "--out", "same"])
    trained, same = (
        json.loads((run.parent / name / "metrics.json").read_text()) for name in ("trained", "same")
    )
    assert same["before"] == same["after"]
    assert {name: trained[name] for name in same["before"]} == same["before"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "found no model.json"),
        (["run"], "got 2 at run; choose one of run/ExemplarPrior, run/StandardPrior"),
        (["run/StandardPrior", "--prior", "vapm"], "did you mean VampPrior?"),
        (["run/StandardPrior", "--prior-options", "{speed: 1}"], "got speed"),
        (["run/StandardPrior", "--data", "nowhere.npy"], "no such file"),
        (["run/StandardPrior", "--data", "digits"], "got (1, 8, 8)"),
        (["run/StandardPrior", "--data", "sevens.npy"], "example 0 of sevens"),
        (["run/StandardPrior", "--max-epochs", "0"], "max_epochs from 1 to 1,000,000, got 0"),
        (["run/StandardPrior", "--importance-samples", "0"], "importance sample"),
        (
            ["run/StandardPrior", "--num-components", "0"],
            "num_components from 1 to 1,000,000, got 0",
        ),
        (["run/StandardPrior", "--num-components", "200"], "got 96"),
        (["run/StandardPrior", "--out", "run"], "does not exist yet"),
        (["run/StandardPrior", "--out", "run/StandardPrior/new"], "outside the old model's"),
        (["damaged/StandardPrior"], "truncated or damaged"),
        (["strange/StandardPrior"], "the data with --data"),
        (["broken/StandardPrior"], "not valid YAML"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_writes_nothing(run, arguments, message, capsys):
    np.save("sevens.npy", np.full((50, 6), 7))
    model = {file.name: file.read_bytes() for file in (run / "StandardPrior").iterdir()}
    for name, config in [("damaged", "data: bits.npy"), ("strange", "x: 1"), ("broken", "{")]:
        (run.parent / name / "StandardPrior").mkdir(parents=True)
        for file, content in model.items():
            cut = 20 if name == "damaged" and file == "model.safetensors" else None
            (run.parent / name / "StandardPrior" / file).write_bytes(content[:cut])
        (run.parent / name / "config.yaml").write_text(config)
    before = files(run.parent)
    with pytest.raises(SystemExit) as stopped:
        main(["refit", *QUICK, *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("priory: error: ")
    assert error.count("\n") == 1
    assert files(run.parent) == before


LATENTS = ["--num-components", "3", "--max-epochs", "2"]


def test_a_prior_is_fitted_to_a_file_of_latents(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    z = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
    np.save("z.npy", z)
    np.save("scales.npy", np.full_like(z, 0.1))
    main(["refit", "--latents", "z.npy", "--scales", "scales.npy", *LATENTS])
    assert "The prior is in runs/refit-1." in capsys.readouterr().out
    prior = priory.load("runs/refit-1")
    assert (type(prior).__name__, prior.num_components) == ("MoGPrior", 3)
    metrics = json.loads((tmp_path / "runs/refit-1/metrics.json").read_text())
    assert metrics["cross_entropy"]["bound"] is not None
    main(["refit", "--config", "runs/refit-1/config.yaml", "--out", "again"])
    again = json.loads((tmp_path / "again/metrics.json").read_text())
    assert again == metrics
    options = ["--prior", "flow", "--prior-options", "{options: {transforms: 1}}"]
    main(["refit", "--latents", "z.npy", *LATENTS, *options, "--out", "flow"])
    assert priory.load("flow").options == {"transforms": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected RUN after priory refit, or --latents, got nothing"),
        (["run/StandardPrior", "--latents", "bits.npy"], "got both"),
        (["--latents", "bits.npy", "--prior", "vamp"], "does not need an encoder"),
        (["--latents", "run"], "got neither"),
        (["--latents", "bits.npy", "--scales", "none.npy"], "no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_refit_of_latents_is_one_sentence(run, arguments, message, capsys):
    before = files(run.parent)
    refused(["refit", *LATENTS, *arguments], message, capsys)
    assert files(run.parent) == before


def test_a_run_that_is_a_prior_alone_is_refused_where_a_model_is_needed(tmp_path):
    priory.save(StandardPrior(2), tmp_path)
    with pytest.raises(ValueError, match="got only a StandardPrior; load it in Python"):
        _ = Run.open(tmp_path).model
