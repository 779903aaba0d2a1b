"""Write the runs of `0.1.0/runs`: run with the command line of version 0.1.0 alone.

    PYTHONPATH=<a checkout of 0.1.0>/src python tests/stored/write_runs_0_1_0.py

A finished run on a table with labels, one on arrays, one that was killed, and a comparison, beside
their data. Paths are relative to `0.1.0/runs`. Pages and pictures are left out. `measures.json`,
`scores.csv` and `latents.csv` are what `evaluate`, `score` and `encode` wrote, and
`interrupted.json` is the `metrics.json` of the interrupted run where nothing interrupts it.
"""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RUNS = Path(__file__).parent / "0.1.0" / "runs"
SMALL = ["--hidden-sizes", "[8]", "--importance-samples", "16", "--batch-size", "16"]
SHORT = ["--max-epochs", "3", "--latent-dim", "2"]
LONG = ["--max-epochs", "12", "--latent-dim", "2", "--ema-decay", "0.9"]
MADE_AGAIN = ("*.html", "*.png", "*.pdf", "*.svg")


def write_data() -> None:
    """Write a table with labels, arrays of zeros and ones, and their labels."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, 3, 60)
    lines = ["length,width,petals,colour,species"]
    for kind in kinds:
        length, width = generator.normal([4 + kind, 2 - 0.5 * kind], 0.5)
        petals = generator.poisson(3 + 2 * kind)
        colour = ["blue", "red", "white"][generator.choice(3, p=np.roll([0.7, 0.2, 0.1], kind))]
        lines.append(f"{length:.2f},{width:.2f},{petals},{colour},{['a', 'b', 'c'][kind]}")
    (RUNS / "flowers.csv").write_text("\n".join(lines) + "\n")
    bits = generator.random((60, 4, 4)) < 0.2 + 0.3 * kinds[:, None, None]
    np.save(RUNS / "bits.npy", bits.astype(np.uint8))
    np.save(RUNS / "kinds.npy", kinds)


def priory(*words: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    return subprocess.Popen([sys.executable, "-m", "priory", *words], cwd=RUNS)


def done(*words: str) -> None:
    """Run a command to its end."""
    assert priory(*words).wait() == 0, words


def kill(words: list[str], run: Path) -> None:
    """Start a run, and kill it when it has a checkpoint of a few epochs."""
    process = priory(*words, "--checkpoint-seconds", "0")
    while not (run / "last.ckpt").is_file() or len((run / "metrics.csv").read_text().split()) < 4:
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def interrupt(words: list[str]) -> None:
    """Write what a run ends with, and the same run when it was killed."""
    done(*words, "whole")
    (RUNS / "whole" / "metrics.json").rename(RUNS / "interrupted.json")
    shutil.rmtree(RUNS / "whole")
    kill([*words, "interrupted"], RUNS / "interrupted")


def write() -> None:
    """Write the data and every run."""
    RUNS.mkdir(parents=True)  # runs that are there stay as they were written
    write_data()
    table = ["--data", "flowers.csv", "--data-options", "{label: species}"]
    table += ["--prior", "ConditionalMoGPrior", "--num-components", "2", "--out", "table"]
    done("train", *table, *SMALL, *SHORT)
    arrays = ["--data", "bits.npy", "--labels", "kinds.npy", "--num-components", "3"]
    done("train", *arrays, "--prior", "VampPrior", "--out", "arrays", *SMALL, *SHORT)
    for run in ("table", "arrays"):
        done("evaluate", run, "--importance-samples", "64")
    names = ["--priors", "StandardPrior,MoGPrior,ExemplarPrior"]
    done("compare", *names, *arrays, "--out", "compare", *SMALL, *SHORT)
    for run in ("table", "arrays", "compare/ExemplarPrior"):
        done("score", run, "--importance-samples", "16", "--out", f"{run}/scores.csv")
        done("encode", run, "--out", f"{run}/latents.csv")
    interrupt(["train", *arrays, "--prior", "VampPrior", *SMALL, *LONG, "--out"])
    drop()


def drop() -> None:
    """Remove pages and pictures, and the directories that they leave empty."""
    for pattern in MADE_AGAIN:
        for file in RUNS.rglob(pattern):
            file.unlink()
    for folder in sorted(RUNS.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    write()
