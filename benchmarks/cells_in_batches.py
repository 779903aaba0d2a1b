"""Batches with a known truth: `python benchmarks/cells_in_batches.py pbmc=P.h5ad`.

Files of counts with the type of each cell in `obs["cell_type"]` are put into two batches: half the
cells, drawn at random, are measured less well, by a factor for each gene: log-normal with σ = 1,
divided by the 99th percentile and at most 1, by which counts are thinned. The type of a cell is
then what there is to keep, and its batch what there is to lose. A model under a mixture of
Gaussians is trained as `benchmarks/cells.py` trains it, and again given the batch, and its table
has the ARI of k-means with the types and the mixing of batches (iLISI, 0 to 1) over all cells.

Each run is appended to `benchmarks/results/cells_in_batches.jsonl`, and not repeated.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from priory.data import Source, open_source, split
from priory.evaluation.batch_mixing import batch_mixing
from priory.evaluation.clusters import clusters_and_labels
from priory.evaluation.depth import depth_in_latents
from priory.likelihoods import choose_likelihood
from priory.training import TrainingSettings, build, train

RESULTS = Path(__file__).parent / "results" / "cells_in_batches.jsonl"
EPOCHS, LATENTS, COMPONENTS = 100, 10, 50


def in_batches(cells: Source, seed: int) -> Source:
    """Return the cells in two batches, of which the second is measured less well, gene by gene."""
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randint(0, 2, (len(cells.x),), generator=generator)
    factor = torch.randn(cells.x.shape[1], generator=generator).exp()
    kept = (factor / factor.quantile(0.99)).clamp(max=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        thinned = torch.distributions.Binomial(cells.x.float(), kept).sample()
    x = torch.where(batch[:, None] == 1, thinned, cells.x.float())
    some = x.sum(1) > 0
    return Source(
        cells.name,
        x[some],
        cells.labels[some],
        cells.label_names,
        batch_label=batch[some],
        batch_names=("whole", "thinned"),
    )


def run(name: str, path: str, told: bool, seed: int, epochs: int) -> dict[str, Any]:
    """Train one model and return its numbers on all cells."""
    cells = in_batches(open_source(path, options={"label": "cell_type"}), seed)
    given = cells if told else Source(cells.name, cells.x, cells.labels, cells.label_names)
    splits = split(given, 0.05, 0.05, seed)
    likelihood = choose_likelihood(
        cells.x, "negative-binomial", exposure="total", batch_label=given.batch_label
    )
    shape = {"network": "normed-mlp", "hidden_sizes": (128,), "latent_dim": LATENTS}
    vae = build(splits, likelihood, "MoGPrior", num_components=COMPONENTS, seed=seed, **shape)
    settings = TrainingSettings(
        max_epochs=epochs,
        patience=None,
        batch_size=128,
        optimizer="adam",
        warmup_epochs=min(20, epochs // 5),
        seed=seed,
    )
    train(vae, splits, settings)
    z = vae.encode(cells.x)
    clusters = clusters_and_labels(z, cells.labels, seed)
    depth = depth_in_latents(z, cells.x.sum(1))
    return {
        **{"data": name, "told": told, "seed": seed, "epochs": epochs},
        **{"ari": clusters.ari, "nmi": clusters.nmi},
        "batch_mixing": batch_mixing(z, cells.batch_label),
        "depth": None if depth is None else depth.value,
    }


def recorded() -> list[dict[str, Any]]:
    """Return the runs that have ended."""
    lines = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Run what is missing, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", help="NAME=FILE.h5ad, of each file")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="how many epochs")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in range(given.seeds):
        for file in given.files:
            name, _, path = file.partition("=")
            for told in (True, False):
                key = (name, told, seed, given.epochs)
                if key in {(r["data"], r["told"], r["seed"], r["epochs"]) for r in recorded()}:
                    continue
                with RESULTS.open("a") as results:
                    results.write(json.dumps(run(name, path, told, seed, given.epochs)) + "\n")
    print("| cells | given the batch | seed | epochs | ARI | NMI | mixing | depth |")
    print("|---|---|---|---|---|---|---|---|")
    for row in recorded():
        numbers = (row[name] for name in ("ari", "nmi", "batch_mixing", "depth"))
        words = (row["data"], "yes" if row["told"] else "no", row["seed"], row["epochs"])
        cells = (*map(str, words), *(f"{number:.3f}" for number in numbers))
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
