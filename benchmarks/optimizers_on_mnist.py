"""How far optimisers come in few epochs: `python benchmarks/optimizers_on_mnist.py mnist:FOLDER`.

The recipe `recipes/mnist/vamp.yaml`, shortened to ten epochs, with each optimiser at each rate, and
to forty, with Muon at the better rates and weights that decay; the cosine is shortened with it.
Each run is appended to `benchmarks/results/optimizers_on_mnist.jsonl` when it ends, and one that is
there is not repeated. When all are there, the table in `docs/results/index.md` is written. The time
is the processor's, on one thread.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from literature import built, recipe
from tables import put_table

from priory.training import train

RESULTS = Path(__file__).parent / "results" / "optimizers_on_mnist.jsonl"
RATES = {"adamax": (0.002, 0.005), "adam": (0.001, 0.003), "muon": (0.002, 0.005, 0.01)}
DECAYS = ((0.01, None), (0.01, 0.1), (0.01, 0.3), (0.02, 0.1))
TRIALS: list[dict[str, Any]] = [
    {"optimizer": optimizer, "learning_rate": rate, "weight_decay": None, "max_epochs": 10}
    for optimizer, rates in RATES.items()
    for rate in rates
] + [
    {"optimizer": "muon", "learning_rate": rate, "weight_decay": decay, "max_epochs": 40}
    for rate, decay in DECAYS
]


def run(data: str, trial: dict[str, Any]) -> dict[str, Any]:
    """Train as a trial has it, and return where it comes to."""
    config = recipe("mnist/vamp")
    splits = replace(config.data, data=data).open(config.training.seed)
    vae = built(config, splits)
    start = time.process_time()
    history = train(vae, splits, replace(config.training, **trial), machine=config.machine)
    seconds = (time.process_time() - start) / trial["max_epochs"]
    return {
        **trial,
        "validation_elbo": round(history.best_elbo, 3),
        "seconds_per_epoch": round(seconds, 2),
    }


def recorded() -> list[dict[str, Any]]:
    """Return the runs that have ended."""
    lines = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Run what is missing, and write the table."""
    torch.set_num_threads(1)
    for trial in TRIALS:
        if any(trial.items() <= result.items() for result in recorded()):
            continue
        result = run(sys.argv[1], trial)
        with RESULTS.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(result, flush=True)
    lines = ["| epochs | optimiser | rate | decay | validation ELBO | s / epoch, one core |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {r['max_epochs']} | {r['optimizer']} | {r['learning_rate']:g} | "
        f"{r['weight_decay'] or 0:g} | {r['validation_elbo']:.2f} | "
        f"{r['seconds_per_epoch'] or 'not timed'} |"
        for r in sorted(recorded(), key=lambda r: (r["max_epochs"], -r["validation_elbo"]))
    ]
    put_table("results/index.md", "optimizers table", lines)


if __name__ == "__main__":
    main()
