"""Runs that are killed, and several processes: the outcome is that of one plain run."""

import csv
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from priory.cli import main
from priory.training.checkpoint import read_checkpoint
from shell import without_pictures

pytestmark = pytest.mark.usefixtures("unrendered")

OPTIONS = ["--num-components", "5", "--hidden-sizes", "[8]", "--importance-samples", "4"]
LENGTH = ["--max-epochs", "60", "--patience", "50", "--batch-size", "64", "--ema-decay", "0.9"]


@pytest.fixture(scope="module")
def bits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "bits.npy"
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 4, 300)
    np.save(path, (generator.random((300, 9)) < 0.1 + 0.2 * kind[:, None]).astype(np.uint8))
    return str(path)


def command(bits, out, *more):
    return ["train", "--data", bits, "--out", str(out), *OPTIONS, *LENGTH, "--quiet", *more]


@pytest.fixture(scope="module")
def plain(bits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "plain"
    with without_pictures():
        main(command(bits, out))
    return out


def killed_at(bits, out, moments):
    """Start and kill a run at each moment, in seconds, then let it end."""
    script = "from priory.cli import main; import sys; main(sys.argv[1:])"
    words = [sys.executable, "-c", script, *command(bits, out, "--checkpoint-seconds", "0")]
    deaths = 0
    for moment in moments:
        run = subprocess.Popen([*words, "--resume"])
        start = time.monotonic()
        while not out.exists() and run.poll() is None and time.monotonic() < start + 60:
            time.sleep(0.01)  # moments count from where training starts
        time.sleep(moment)
        deaths += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
    main(command(bits, out, "--resume"))
    return deaths


def same_run(one, other):
    first, second = (load_file(run / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)
    for name in ("metrics.csv", "metrics.json", "config.yaml", "model.json"):
        assert (one / name).read_text() == (other / name).read_text()
    states = [read_checkpoint(run / "last.ckpt") for run in (one, other)]
    settings = [state.pop("settings") for state in states]
    assert settings[0] == settings[1]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_a_run_killed_three_times_ends_as_if_it_had_not_been(bits, plain, tmp_path):
    assert killed_at(bits, tmp_path / "run", [0.0, 0.2, 0.4]) >= 2
    same_run(plain, tmp_path / "run")


def test_a_run_older_than_a_setting_continues_with_its_default(bits, plain, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    config = (plain / "config.yaml").read_text().replace("weight_decay: null\n", "")
    (run / "config.yaml").write_text(config)
    main(command(bits, run, "--resume"))
    words = yaml.safe_load((run / "config.yaml").read_text())
    assert words == {**yaml.safe_load(config), "weight_decay": None}


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_as_if_it_had_not_been(bits, plain, tmp_path):
    moments = random.Random(0)
    deaths = 0
    for number in range(4):
        run = tmp_path / f"run-{number}"
        deaths += killed_at(bits, run, [moments.uniform(0, 1.2) for _ in range(5)])
        same_run(plain, run)
    assert deaths >= 10


@pytest.mark.parametrize(
    "prior",
    [
        pytest.param(["--prior", "VampPrior"], id="vamp"),
        pytest.param(["--prior", "ExemplarPrior"], id="exemplar", marks=pytest.mark.slow),
        pytest.param(
            ["--prior", "VampPrior", "--levels", "2"], id="levels", marks=pytest.mark.slow
        ),
    ],
)
def test_two_processes_give_the_losses_of_one(prior, bits, tmp_path):
    # 240 data in batches of 49 end in a batch of 44, and each is shared unequally.
    options = [*prior, "--max-epochs", "4", "--batch-size", "49", "--quiet", *OPTIONS]
    one = ["train", "--data", bits, "--out", str(tmp_path / "one"), *options]
    main(one)
    two = ["train", "--data", bits, "--out", str(tmp_path / "two"), *options]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    together = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator"]
    words = [sys.executable, *launch, "-m", "priory", *two, *together, "cpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (read_curves(tmp_path / run / "metrics.csv") for run in ("one", "two"))
    assert first.keys() == second.keys()
    for name in ("train_loss", "elbo", "rate", "reconstruction"):
        assert len(first[name]) == 4
        assert second[name] == pytest.approx(first[name], rel=2e-5)


def read_curves(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}
