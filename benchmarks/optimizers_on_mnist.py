"""How far optimisers come in ten epochs: `python benchmarks/optimizers_on_mnist.py mnist:FOLDER`.

The recipe `recipes/mnist/vamp.yaml`, shortened to ten epochs, with each optimiser at each rate; the
cosine is shortened with it. Each run is appended to `benchmarks/results/optimizers_on_mnist.jsonl`
when it ends, and one that is there is not repeated. When all are there, the table in
`docs/results/index.md` is written.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from literature import built, opened, recipe, settings_of
from tables import put_table

from priory.training import train

RESULTS = Path(__file__).parent / "results" / "optimizers_on_mnist.jsonl"
EPOCHS = 10
RATES = {"adamax": (0.002, 0.005), "adam": (0.001, 0.003), "muon": (0.002, 0.005, 0.01)}


def run(data: str, optimizer: str, rate: float) -> dict[str, Any]:
    """Train with an optimiser at a rate, and return where it comes to."""
    config = recipe("mnist/vamp") | {"data": data, "optimizer": optimizer, "learning_rate": rate}
    config["max_epochs"] = EPOCHS
    splits = opened(config)
    vae = built(config, splits)
    start = time.process_time()
    history = train(vae, splits, settings_of(config), trainer=config["trainer"])
    seconds = (time.process_time() - start) / EPOCHS
    return {
        "optimizer": optimizer,
        "learning_rate": rate,
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
    for optimizer, rates in RATES.items():
        for rate in rates:
            if (optimizer, rate) in {(r["optimizer"], r["learning_rate"]) for r in recorded()}:
                continue
            result = run(sys.argv[1], optimizer, rate)
            with RESULTS.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(result, flush=True)
    lines = ["| optimiser | rate | validation ELBO | s / epoch, one core |", "|---|---|---|---|"]
    lines += [
        f"| {r['optimizer']} | {r['learning_rate']:g} | {r['validation_elbo']:.2f} | "
        f"{r['seconds_per_epoch']:.1f} |"
        for r in sorted(recorded(), key=lambda r: -r["validation_elbo"])
    ]
    put_table("results/index.md", "optimizers table", lines)


if __name__ == "__main__":
    main()
