"""A run is one object; its directory has one owner; it is trained further, and started from."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

import priory
from priory.cli import main
from priory.runs import CompareConfig, Run, TrainConfig, new_run_directory
from priory.runs.layout import LOCK, claimed
from priory.training import loop
from priory.training.epoch import train_epoch
from shell import QUICK, SAMPLES, refused, without_pictures
from source_files import npy

pytestmark = pytest.mark.usefixtures("unrendered")

TRAIN = ["train", "--data", "x.npy", *QUICK, *SAMPLES, "--quiet"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch, without_pictures():
        patch.chdir(folder)
        npy()
        main([*TRAIN, "--out", "run"])
        main(["compare", *TRAIN[1:-1], "--priors", "mog,standard", "--out", "both"])
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def test_a_run_gives_all_that_is_in_it(here):
    run = Run.open("run")
    assert isinstance(run.config, TrainConfig)
    assert (run.path, run.home, run.seed, run.importance_samples) == (
        Path("run"),
        Path("run"),
        0,
        8,
    )
    assert type(run.model.prior).__name__ == "VampPrior"
    assert not run.model.training
    parts = (run.data.train, run.data.validation, run.test)
    assert sum(map(len, parts)) == 120
    assert run.training.values.equal(run.data.train.values)
    assert len(run.curves["elbo"]) == run.metrics["epochs"] == 2
    assert len(run.part("x.npy")) == 120


def test_the_models_of_a_comparison_are_opened_in_its_order(here):
    runs = Run.open_all("both")
    assert [run.path.name for run in runs] == ["MoGPrior", "StandardPrior"]
    assert all(isinstance(run.config, CompareConfig) for run in runs)
    assert [run.metrics["epochs"] for run in runs] == [2, 2]
    with pytest.raises(ValueError, match="choose one of both/MoGPrior, both/StandardPrior"):
        Run.open("both")
    assert Run.open("both/StandardPrior").home.resolve() == (here / "both").resolve()


def test_a_saved_model_alone_is_a_run_without_data(here, tmp_path):
    priory.save(Run.open("run").model, tmp_path / "saved")
    alone = Run.open(tmp_path / "saved")
    assert (alone.config, alone.training, alone.metrics, alone.curves) == (None, None, {}, {})
    with pytest.raises(ValueError, match="name them with --data"):
        alone.part()
    assert alone.part("x.npy").tensor().shape == (120, 8, 8)


def test_a_model_in_half_precision_answers_every_command(here, tmp_path):
    copytree("run", half := tmp_path / "half")
    priory.save(Run.open("run").model.bfloat16(), half)
    for run in (Path("run"), half):
        main(["score", str(run), *SAMPLES, "--out", str(tmp_path / f"{run.name}-score.npy")])
        main(["encode", str(run), "--out", str(tmp_path / f"{run.name}-encode.npy")])
    for command in ("score", "encode"):
        whole, near = (np.load(tmp_path / f"{run}-{command}.npy") for run in ("run", "half"))
        np.testing.assert_allclose(near, whole, rtol=0.02, atol=0.05)
    for command, *words in (["evaluate", *SAMPLES], ["sample"], ["interpolate"], ["report"]):
        out = tmp_path / f"{command}.{'html' if command == 'report' else 'npy'}"
        main([command, str(half), *words, "--out", str(out)])
        assert out.stat().st_size > 100 or command == "report"  # whose rendering is left out here


def test_a_finished_run_trained_further_is_one_that_was_asked_for_all_epochs(here, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    main([*TRAIN, "--max-epochs", "4", "--out", str(whole)])
    main([*TRAIN, "--out", str(run)])
    main(["train", "--resume", "--out", str(run), "--max-epochs", "4", "--quiet"])
    for name in ("config.yaml", "metrics.csv", "metrics.json", "model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_that_lost_patience_goes_on_with_more(here, tmp_path):
    whole, run = tmp_path / "whole", tmp_path / "run"
    flat = [*TRAIN, "--max-epochs", "6", "--learning-rate", "1e-12"]
    main([*flat, "--patience", "4", "--out", str(whole)])
    main([*flat, "--patience", "2", "--out", str(run)])
    main(["train", "--resume", "--out", str(run), "--patience", "4", "--quiet"])
    for name in ("config.yaml", "metrics.csv", "metrics.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_finished_run_with_a_damaged_checkpoint_keeps_its_numbers(here, tmp_path, capsys):
    copytree("run", run := tmp_path / "run")
    (run / "last.ckpt").write_bytes((run / "last.ckpt").read_bytes()[:-1])
    kept = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    more = ["train", "--resume", "--out", str(run), "--max-epochs", "4"]
    refused(more, "truncated, damaged", capsys)
    (run / "last.ckpt").unlink()
    refused(more, f"with --from {run}", capsys)
    kept.pop("last.ckpt")
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == kept


def test_a_finished_run_stays_and_says_so(here, capsys):
    before = Path("run/metrics.json").stat().st_mtime_ns
    main(["train", "--resume", "--out", "run"])
    assert "run is already finished." in capsys.readouterr().out
    assert Path("run/metrics.json").stat().st_mtime_ns == before


def test_a_run_is_started_from_the_weights_of_another(here, tmp_path, capsys):
    new = str(tmp_path / "new")
    main(
        [*TRAIN[:3], "--from", "run", "--max-epochs", "1", "--learning-rate", "1e-9", "--out", new]
    )
    old, weights = (load_file(Path(run) / "model.safetensors") for run in ("run", new))
    assert old.keys() == weights.keys()
    for name, tensor in old.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-5, rtol=0)
    words = [*TRAIN[:3], "--from", "run", "--out", str(tmp_path / "no")]
    refused([*words, "--latent-dim", "7"], "got latent_dim=7 too", capsys)
    refused([*words, "--prior", "MoGPrior"], "got prior='MoGPrior' too", capsys)
    np.save(tmp_path / "other.npy", np.zeros((30, 5)) + np.arange(5))
    refused([*words, "--data", str(tmp_path / "other.npy")], "like the data that the model", capsys)
    assert not (tmp_path / "no").exists()


def test_a_directory_has_one_owner_and_only_its_maker_removes_it(tmp_path):
    run = tmp_path / "run"
    with claimed(run, new=True):
        (run / "config.yaml").write_text("mine")
        for new in (True, False):
            with pytest.raises((FileExistsError, ValueError)), claimed(run, new=new):
                pass
        assert (run / "config.yaml").read_text() == "mine"
    assert not (run / LOCK).exists()
    with pytest.raises(ZeroDivisionError), claimed(run, new=False):
        raise ZeroDivisionError
    assert run.exists()  # which another made
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "fresh", new=True):
        raise ZeroDivisionError
    assert not (tmp_path / "fresh").exists()


def interrupted(run: Path, written: list[str]) -> None:
    with claimed(run, new=True):
        for file in written:
            (run / file).touch()
        raise KeyboardInterrupt


def test_an_interrupted_run_stays_only_where_it_can_go_on(tmp_path, capsys):
    for name, written, stays in (("early", [], False), ("late", ["config.yaml"], True)):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path / name, written)
        assert (tmp_path / name).exists() == stays
        assert ("--resume" in capsys.readouterr().err) == stays


def test_a_run_that_goes_on_is_not_resumed(here, capsys):
    with FileLock(Path("run") / LOCK):
        refused(["train", "--resume", "--out", "run"], "no other process is training", capsys)


def test_what_a_killed_run_left_is_cleared_by_the_next_and_not_while_it_goes_on(tmp_path):
    left, held = (tmp_path / f".[x].unfinished-{name}" for name in ("left", "held"))
    for leftover in (left, held):
        leftover.mkdir()
        (leftover / LOCK).touch()
    with FileLock(held / LOCK), new_run_directory(tmp_path / "[x]") as scratch:
        assert scratch.is_dir()
        assert (left.exists(), held.exists()) == (False, True)
    assert sorted(os.listdir(tmp_path)) == [held.name, "[x]"]


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_run_with_its_status_and_how_to_go_on(
    name, status, here, tmp_path, capsys, monkeypatch
):
    def interrupted(step, *arguments):
        if arguments[-2] == 3:
            signal.raise_signal(getattr(signal, name))
        return train_epoch(step, *arguments)

    monkeypatch.setattr(loop, "train_epoch", interrupted)
    run = tmp_path / "run"
    words = [*TRAIN, "--max-epochs", "9", "--checkpoint-seconds", "0", "--out", str(run)]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == status
    assert f"priory train --resume --out {run}" in capsys.readouterr().err
    assert (run / "last.ckpt").is_file()
    assert not (run / LOCK).exists()


def test_a_signal_from_outside_ends_a_process_without_a_traceback(here, tmp_path):
    run = tmp_path / "run"
    words = [*TRAIN, "--max-epochs", "100000", "--checkpoint-seconds", "0", "--out", str(run)]
    process = subprocess.Popen(
        [sys.executable, "-m", "priory", *words], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (run / "last.ckpt").is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"priory train --resume --out {run}" in errors
    assert "Traceback" not in errors
    assert not (run / LOCK).exists()


def test_a_full_disk_is_said_in_a_sentence_and_nothing_is_half_written(
    here, tmp_path, monkeypatch, capsys
):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(os, "replace", full)
    for words, file in ((["encode", "run"], "z.csv"), (["score", "run", *SAMPLES], "s.csv")):
        out = str(tmp_path / file)
        refused([*words, "--out", out], f"files at {out}, got: No space left on device", capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_nan_among_its_weights_is_not_loaded(here, tmp_path, capsys):
    model = Run.open("run").model
    next(model.encoder.parameters()).data[0] = torch.nan
    priory.save(model, tmp_path / "broken")
    words = [
        "encode",
        str(tmp_path / "broken"),
        "--data",
        "x.npy",
        "--out",
        str(tmp_path / "z.csv"),
    ]
    refused(words, "got NaN in encoder.", capsys)


REFIT = ["refit", "run", "--prior", "mog", "--num-components", "3", "--max-epochs", "2"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "start", "more"),
    [
        (["evaluate", "run", "--importance-samples", "16"], TORCHRUN, []),
        (["score", "run", "--importance-samples", "16"], [], ["--devices", "2"]),
        (REFIT, [], ["--devices", "2"]),
    ],
    ids=["evaluate", "score", "refit"],
)
def test_two_processes_do_what_one_does(words, start, more, here, tmp_path):
    file = {"evaluate": "measures.json", "score": "scores.csv"}.get(words[0], "")
    one, two = (str(tmp_path / number / file) for number in ("one", "two"))
    if file:
        for path in (one, two):
            Path(path).parent.mkdir()
    main([*words, "--out", one])
    command = [sys.executable, *start, "-m", "priory", *words, "--out", two, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    texts = [(Path(p) / ("" if file else "metrics.json")).read_text() for p in (one, two)]
    first, second = (re.findall(NUMBER, text) for text in texts)
    assert len(first) == len(second) > 10
    for a, b in zip(first, second, strict=True):
        assert float(b) == pytest.approx(float(a), rel=1e-4, abs=1e-4)


NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
