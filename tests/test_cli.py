"""The command line, through its entry point."""

import importlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

import priory
from cases import CASES
from priory import training
from priory.cli import main
from priory.commands import summaries
from priory.priors import prior_classes
from priory.training import train
from shell import without_pictures

QUICK = ["--max-epochs", "2", "--hidden-sizes", "[16]", "--importance-samples", "8"]
QUICK += ["--num-components", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "first"
    main(["compare", *QUICK, "--out", str(path)])
    return path


def test_compare_writes_a_whole_run(run):
    names = ["StandardPrior", "MoGPrior", "VampPrior"]
    for name in names:
        for file in ("density.png", "density.pdf", "samples.png", "reconstructions.png"):
            assert (run / name / file).stat().st_size > 1000
        vae = priory.load(run / name)
        assert type(vae.prior).__name__ == name
        assert vae.sample(2).shape == (2, 8, 8)
    assert (run / "VampPrior" / "pseudo_inputs.png").stat().st_size > 1000
    assert (run / "priors.pdf").stat().st_size > 1000
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics) == names
    assert metrics["StandardPrior"]["components_in_use"] is None
    for row in metrics.values():
        assert row["num_data"] == 447
        assert 50 < row["nll"] < -row["elbo"] < 300
        assert row["epochs"] == 2
    assert not [path for path in run.parent.iterdir() if path.name.startswith(".")]


@pytest.fixture
def _figures_unrendered(monkeypatch):
    """Make the figures, and leave out their rendering, which takes longer than all else."""
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: path.touch())
    interpolation = importlib.import_module("priory.evaluation.interpolation")
    monkeypatch.setattr(interpolation, "STEPS", 2)


def compare_all(folder, **arrays):
    """Compare all priors on a file of arrays in one epoch, and return their numbers."""
    np.savez(folder / "bits.npz", x=np.random.default_rng(0).integers(0, 2, (60, 6)), **arrays)
    options = ["--data", str(folder / "bits.npz"), "--out", str(folder / "run")]
    main(["compare", *QUICK, *options, "--max-epochs", "1", "--priors", "all"])
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert all(np.isfinite(row["nll"]) for row in metrics.values())
    return metrics


@pytest.mark.usefixtures("_figures_unrendered")
def test_all_priors_are_compared_in_one_go(tmp_path):
    metrics = compare_all(tmp_path, labels=np.arange(60) % 3)
    assert list(metrics) == list(prior_classes())
    estimates = {type(case.make()) for case in CASES if case.estimate}
    for name, cls in prior_classes().items():
        assert metrics[name]["given_labels"] == cls.needs_labels
        assert (metrics[name]["prior_standard_error"] is not None) == (cls in estimates)
        vae = priory.load(tmp_path / "run" / name)
        assert type(vae.prior) is cls
        assert (tmp_path / "run" / name / "samples.png").exists()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "ConditionalMoGPrior | y" in page
    assert "≈" in page


@pytest.mark.usefixtures("unrendered")
def test_data_without_labels_leave_out_the_priors_that_need_them(tmp_path):
    without = {name for name, cls in prior_classes().items() if not cls.needs_labels}
    assert set(compare_all(tmp_path)) == without


@pytest.mark.usefixtures("unrendered")
def test_every_prior_starts_from_the_same_networks(tmp_path, monkeypatch):
    starts = []

    def watch(vae, splits, *settings, **more):
        networks = (vae.encoder, vae.decoder)
        starts.append([w.clone() for network in networks for w in network.state_dict().values()])
        return train(vae, splits, *settings, **more)

    monkeypatch.setattr(training, "train", watch, raising=False)
    main(["compare", *QUICK, "--priors", "standard,mog", "--out", str(tmp_path / "run")])
    first, second = starts
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))


def shown_in(page):
    """Return what a reader sees of a page, and the addresses that it would ask for."""
    text = page.read_text()
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.S)
    addresses = re.findall(r'(?:src|href)="(?!#|data:)[^"]*', text)
    words = re.sub(r"<[^>]*>", "", text).replace(" best ", " ")  # which is heard, not seen
    return " ".join(words.split()), addresses


def test_the_report_stands_alone(run):
    words, addresses = shown_in(run / "report.html")
    assert addresses == []
    metrics = json.loads((run / "metrics.json").read_text())
    for name, row in metrics.items():
        assert name in words
        assert f"{row['nll']:.2f} ± {row['nll_standard_error']:.2f}" in words
    assert str(run / "config.yaml") in words


def verdict_of(words: str) -> str:
    """Return the sentence of the verdict on a page of a single seed."""
    found = re.search(r"(Ahead in this run|No reliable difference)[^.]*\.", words)
    assert found, words[:500]
    return found[0]


def test_report_writes_the_page_of_a_run_again_and_of_several_anew(run, tmp_path, monkeypatch):
    before, _ = shown_in(run / "report.html")
    main(["report", str(run)])
    after, _ = shown_in(run / "report.html")
    for row in json.loads((run / "metrics.json").read_text()).values():
        assert f"{row['nll']:.2f} ± {row['nll_standard_error']:.2f}" in after
    assert [verdict_of(words) for words in (before, after)] == [verdict_of(before)] * 2
    monkeypatch.chdir(tmp_path)
    digits = priory.load(run / "VampPrior")
    priory.save(digits, tmp_path / "saved")
    np.save("x.npy", np.tile(np.arange(17.0), 80)[: 20 * 64].reshape(20, 8, 8))
    more = ["--data", "x.npy", "--importance-samples", "8"]
    main(["report", str(run / "VampPrior"), str(tmp_path / "saved"), *more])
    words, _ = shown_in(tmp_path / "report.html")
    assert "VampPrior (saved)" in words
    assert "20 held-out examples each" in words
    assert not (tmp_path / "saved" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "found no model.json"),
        (["RUN", "--importance-samples", "0"], "importance sample"),
        (["RUN", "--out", "taken.html"], "does not exist yet, got taken.html"),
        (["RUN", "--out", "nowhere/page.html"], "expected a directory at nowhere"),
        (["RUN", "saved"], "name them with --data"),
        (["RUN", "other", "--out", "new.html"], "data with the same shape, got (8, 8)"),
        ([], "expected RUNS after priory report"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_reported_is_said_in_one_sentence(
    arguments, message, run, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.html").write_text("mine")
    priory.save(priory.load(run / "VampPrior"), tmp_path / "saved")
    if "other" in arguments:
        np.save("bits.npy", np.random.default_rng(0).integers(0, 2, (60, 6)))
        with without_pictures():
            main(["train", *QUICK, "--max-epochs", "1", "--data", "bits.npy", "--out", "other"])
    words = [str(run / "VampPrior") if word == "RUN" else word for word in arguments]
    with pytest.raises(SystemExit) as stopped:
        main(["report", *words])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert (tmp_path / "taken.html").read_text() == "mine"
    assert not (tmp_path / "new.html").exists()


def test_a_damaged_record_of_a_run_is_an_error(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text('{"VampPrior":')
    page = (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(tmp_path / "run")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "expected the output of a run in" in error
    assert error.count("\n") == 1
    assert (tmp_path / "run" / "report.html").read_text() == page


def test_interpolate_writes_a_figure_or_the_numbers(run, tmp_path, capsys):
    command = ["interpolate", str(run / "VampPrior"), "--between", "3", "17", "--out"]
    main([*command, str(tmp_path / "path.png")])
    assert "Lowest log p(z)" in capsys.readouterr().out
    assert (tmp_path / "path.png").stat().st_size > 1000
    main([*command, str(tmp_path / "path.npy"), "--stops", "5"])
    array = np.load(tmp_path / "path.npy")
    assert array.shape == (2, 5, 8, 8)
    assert np.allclose(array[0, 0], array[1, 0], atol=1e-4)
    for more, message in [
        (["path.svg"], "ends in .png"),
        (["path.png"], "does not exist yet"),
        (["new.png", "--between", "0", "447"], "positions from 0 to 446"),
        (["new.png", "--stops", "1"], "from 2 to 1000 stops"),
    ]:
        with pytest.raises(SystemExit) as stopped:
            main([*command, str(tmp_path / more[0]), *more[1:]])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.usefixtures("unrendered")
def test_the_written_configuration_repeats_the_run(run, capsys):
    again = run.parent / "again"
    main(["compare", "--config", str(run / "config.yaml"), "--out", str(again)])
    first, second = (json.loads((p / "metrics.json").read_text()) for p in (run, again))
    for row in (*first.values(), *second.values()):
        row.pop("seconds")
    assert first == second
    assert (run / "config.yaml").read_text() == (again / "config.yaml").read_text()
    out = capsys.readouterr().out
    assert "categorical likelihood (whole numbers from 0 to 16)" in out
    assert "report.html" in out


@pytest.mark.usefixtures("unrendered")
def test_options_reach_what_they_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bits = np.random.default_rng(0).integers(0, 2, (80, 5))
    np.save("bits.npy", bits)
    options = ["--prior-options", "{vamp: {weights: uniform}}", "--priors", "vamp,mog"]
    main(["compare", *QUICK, *options, "--data", "bits.npy", "--latent-dim", "3", "--seed", "4"])
    run = tmp_path / "runs" / "compare-1"
    vae = priory.load(run / "VampPrior")
    assert vae.prior.weights == "uniform"
    assert vae.prior(vae.encoder).event_shape == (3,)
    assert isinstance(vae.decoder, priory.BernoulliDecoder)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["seed"], config["priors"]) == (4, "VampPrior,MoGPrior")
    assert not list(run.rglob("*.pt")) + list(run.rglob("*.ckpt"))


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in ("priors", "data", "latent-dim", "num-components", "seed", "max-epochs", "out"):
        assert f"--{option} " in text
    assert not [option for option in re.findall(r"--[\w-]+", text) if "_" in option]


def test_every_command_is_listed_and_has_help_that_people_read(capsys):
    main(["--help"])
    overview = capsys.readouterr().out
    for name, summary in summaries().items():
        assert f"  {name:<12} {summary}" in overview
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        text = capsys.readouterr().out
        assert summary in " ".join(text.split())
        assert "example: priory " in text
        assert not re.search(r"type: |default: |Optional|Union|--no-(?!examples)", text)
        assert max(map(len, text.splitlines())) <= 100
    assert set(summaries()) >= {"check", "compare", "evaluate", "refit", "train"}
    main(["--version"])
    assert capsys.readouterr().out.strip().endswith(version("priory"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--priors", "VampPriro"], "did you mean VampPrior?"),
        (["--priors", "vamp,VampPrior"], "each once"),
        (["--num-values", "16"], "got 16 in example"),
        (["--likelihood", "bernoulli"], "bernoulli likelihood"),
        (["--latent-dim", "0"], "latent_dim from 1 to 1,000,000, got 0"),
        (["--num-components", "0"], "num_components from 1 to 1,000,000, got 0"),
        (["--num-components", "2000", "--init", "data"], "got 1000"),
        (["--latent-dim", "two"], "latent_dim"),
        (["--hidden-sizes", "[0]"], "hidden_sizes from 1 to 1,000,000, got 0"),
        (["--max-epochs", "0"], "max_epochs from 1 to 1,000,000, got 0"),
        (["--batch-size", "0"], "batch_size from 1 to 1,000,000, got 0"),
        (["--importance-samples", "0"], "importance sample"),
        (["--data", "nowhere.npy"], "no such file"),
        (["--data", "digts"], "did you mean digits?"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--no-such-option", "1"], "no-such-option"),
        (["--prior-options", "{mog: {speed: 1}}"], "got speed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_status_two(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *QUICK, "--out", str(tmp_path / "run"), *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("priory: error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_data_with_faults_are_refused(tmp_path, capsys):
    for array, message in [
        (np.full((30, 4), np.nan), "got nan"),
        (np.zeros((0, 4)), "got 0"),
    ]:
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(SystemExit) as stopped:
            main(["compare", "--data", str(tmp_path / "x.npy"), "--out", str(tmp_path / "run")])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_an_output_that_exists_or_cannot_be_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(SystemExit) as stopped:
            main(["compare", *QUICK, "--out", str(out)])
        assert stopped.value.code == 2
        assert re.search("expected a (writable )?directory", capsys.readouterr().err)
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_installed_command_refuses_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "priory", "compare", "--priors", "x", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"priory: error: .*\n", done.stderr)


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGKILL", marks=pytest.mark.slow)])
def test_an_interrupted_run_leaves_nothing_that_looks_finished(name, tmp_path):
    command = [sys.executable, "-m", "priory", "compare", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".run.*/StandardPrior/metrics.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert not (tmp_path / "run").exists()
    assert b"Traceback" not in errors
    if name == "SIGINT":
        assert list(tmp_path.iterdir()) == []


def test_the_seconds_of_training_leave_out_the_measuring(tmp_path, monkeypatch, unrendered):
    command = importlib.import_module("priory.commands.train")
    evaluated, clock, measured, entries = command.report.evaluated, time.perf_counter, [], []

    def measure(*args):
        measured.append(args)
        return evaluated(*args)

    later = SimpleNamespace(perf_counter=lambda: clock() + 10_000 * len(measured))
    monkeypatch.setattr(command, "time", later)
    monkeypatch.setattr(command.report, "evaluated", measure)
    monkeypatch.setattr(command.report, "write_report", lambda _, shown, *__: entries.extend(shown))
    main(["train", *QUICK, "--out", str(tmp_path / "run")])
    assert len(measured) == 1
    assert 0 < entries[0].seconds < 10_000
