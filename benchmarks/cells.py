"""Types of cells in the latents of counts: `python benchmarks/cells.py pbmc=P.h5ad cbmc=C.h5ad`.

On each file, counts with the type of each cell in `obs["cell_type"]`, a model with ten latents is
trained for 100 epochs from five seeds under the standard prior, a mixture of Gaussians, a VampPrior
(K = 50 each) and a flow: negative binomial with softmax proportions times the total count, one
hidden layer of 128 normalised units, Adam at 1e-3, batches of 128, a warm-up of 20 epochs, nine
cells in ten to train on and the weights of the best validation ELBO kept. With scvi-tools in the
environment (it is not needed otherwise) `SCVI` is trained as well, with `gene_likelihood="nb"` and
with its own defaults, on as many cells for as many epochs; `--scvi-epochs 400` adds rows of more.

All cells are encoded. ARI and NMI are those of k-means on the means of q(z|x), with k the number of
types and five starts; depth is the largest absolute correlation of a latent with the logarithm of
the total count. Of the twentieth of the cells that neither trained nor chose a model: the NLL in
nats by 100 importance samples under each model's own prior, the share of the prior's samples in
holes of q(z), and of q(z)'s outside the prior. The marginal KL is that of the training cells.

Each run is appended to `benchmarks/results/cells.jsonl` when it ends, and a run
that is there is not repeated, so that the command can be stopped and started again. Its means with
their standard errors over seeds go into `docs/results/index.md`, with `--table` without any run.
Seconds are those of one core.
"""

import argparse
import importlib.util
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from tables import put_table

RESULTS = Path(__file__).parent / "results" / "cells.jsonl"
SEEDS, EPOCHS, LATENTS, COMPONENTS = range(5), 100, 10, 50
OURS = ("MoGPrior", "StandardPrior", "VampPrior", "FlowPrior")
THEIRS = ("scVI nb", "scVI")


def split_of(path: str, seed: int) -> Any:
    """Return the cells to train on, those that choose the epoch, and those to test on."""
    from priory.data import open_data

    return open_data(path, seed, validation=0.05, test=0.05, options={"label": "cell_type"})


def ours(path: str, prior: str, seed: int, epochs: int) -> tuple[np.ndarray, dict[str, float]]:
    """Train one of our models; return the latents of all cells, and numbers."""
    from priory.evaluation import model_holes, negative_log_likelihood, surgery
    from priory.likelihoods import choose_likelihood
    from priory.training import TrainingSettings, build, train

    splits = split_of(path, seed)
    likelihood = choose_likelihood(splits.modelled, "negative-binomial", exposure="total")
    shape = {"network": "normed-mlp", "hidden_sizes": (128,), "latent_dim": LATENTS}
    vae = build(splits, likelihood, prior, num_components=COMPONENTS, seed=seed, **shape)
    settings = TrainingSettings(
        max_epochs=epochs,
        patience=None,
        batch_size=128,
        optimizer="adam",
        warmup_epochs=20,
        seed=seed,
    )
    start = time.process_time()
    train(vae, splits, settings)
    seconds = (time.process_time() - start) / epochs
    test = splits.test.tensor()
    halves = model_holes(vae, test)
    numbers = {
        "nll": negative_log_likelihood(vae, test, 100).mean,
        "marginal_kl": surgery(vae, splits.train.tensor()).marginal_kl.value,
        "in_holes": halves.prior_in_holes,
        "outside": halves.posterior_outside,
    }
    z = vae.encode(splits.train.values.float())
    return z.numpy(), {"seconds_per_epoch": seconds, **numbers}


def theirs(path: str, name: str, seed: int, epochs: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Train scVI; return the latents of all cells, and numbers."""
    import anndata
    import scvi

    from priory import GaussianMixture, StandardPrior
    from priory.evaluation import holes

    splits, scvi.settings.seed = split_of(path, seed), seed
    parts = splits.train, splits.validation, splits.test
    cells = anndata.read_h5ad(path)
    scvi.model.SCVI.setup_anndata(cells)
    options = {"gene_likelihood": "nb"} if name == "scVI nb" else {}
    model = scvi.model.SCVI(cells, n_latent=LATENTS, **options)
    start = time.process_time()
    model.train(
        max_epochs=epochs,
        datasplitter_kwargs={"external_indexing": [np.asarray(part.index) for part in parts]},
        accelerator="cpu",
        enable_progress_bar=False,
        logger=False,
    )
    seconds = (time.process_time() - start) / epochs
    test = model.test_indices
    mean, variance = model.get_latent_representation(indices=test, return_dist=True)
    posteriors = torch.from_numpy(mean), torch.from_numpy(variance).sqrt()
    halves = [
        GaussianMixture(torch.zeros(len(rows)), *(value[rows] for value in posteriors))
        for rows in torch.randperm(len(test)).tensor_split(2)
    ]
    shares = holes(StandardPrior(LATENTS)(), *halves)
    numbers = {
        "seconds_per_epoch": seconds,
        "nll": -float(model.get_marginal_ll(indices=test, n_mc_samples=100)),
        "in_holes": shares.prior_in_holes,
        "outside": shares.posterior_outside,
        "scvi": scvi.__version__,
    }
    return model.get_latent_representation(), numbers


def run(name: str, path: str, model: str, seed: int, epochs: int) -> dict[str, Any]:
    """Train one model and return its numbers on all cells."""
    import anndata

    z, numbers = (theirs if model in THEIRS else ours)(path, model, seed, epochs)
    cells = anndata.read_h5ad(path)
    types = cells.obs["cell_type"].astype(str).to_numpy()
    clusters = KMeans(len(set(types)), n_init=5, random_state=seed).fit_predict(z)
    depth = np.log(np.asarray(cells.X.sum(1)).ravel())
    correlations = [abs(np.corrcoef(column, depth)[0, 1]) for column in z.T if column.std() > 0]
    return {
        **{"data": name, "model": model, "epochs": epochs, "seed": seed},
        "ari": adjusted_rand_score(types, clusters),
        "nmi": normalized_mutual_info_score(types, clusters),
        "depth": max(correlations),
        **numbers,
    }


def recorded() -> list[dict[str, Any]]:
    """Return the runs that have ended."""
    lines = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    return [json.loads(line) for line in lines]


COLUMNS = {  # heading, factor, digits
    "ari": ("ARI", 1, 3),
    "nmi": ("NMI", 1, 3),
    "depth": ("depth", 1, 2),
    "marginal_kl": ("marginal KL", 1, 2),
    "in_holes": ("in holes, %", 100, 1),
    "outside": ("q(z) outside, %", 100, 1),
}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each model on each file: the mean over seeds ± its standard error."""
    head = ["cells", "model", "epochs", "seeds", *(title for title, *_ in COLUMNS.values())]
    head += ["NLL", "NLL - standard's", "s / epoch"]
    lines = [" | ".join(head), " | ".join(["---"] * len(head))]
    groups: dict[tuple[str, str, int], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["data"], row["model"], row["epochs"]), {})[row["seed"]] = row
    order = ["StandardPrior", *(model for model in (*OURS, *THEIRS) if model != "StandardPrior")]
    for key in sorted(groups, key=lambda key: (key[0], order.index(key[1]), key[2])):
        seeds = groups[key]
        cells = [
            _spread([factor * row[name] for row in seeds.values() if name in row], digits)
            for name, (_, factor, digits) in COLUMNS.items()
        ]
        standard = groups.get((key[0], "StandardPrior", EPOCHS), {})
        gains = [row["nll"] - standard[n]["nll"] for n, row in seeds.items() if n in standard]
        cells += [f"{statistics.mean(row['nll'] for row in seeds.values()):.1f}"]
        cells += ["" if key[1] == "StandardPrior" else _spread(gains, 1)]
        seconds = statistics.median(row["seconds_per_epoch"] for row in seeds.values())
        lines.append(" | ".join([*map(str, key), str(len(seeds)), *cells, f"{seconds:.2f}"]))
    return [f"| {line} |" for line in lines]


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values) / math.sqrt(len(values)):.{digits}f}"


def main() -> None:
    """Run what is missing, seed by seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="NAME=FILE.h5ad, of each file")
    every = ",".join((*OURS, *THEIRS))
    parser.add_argument("--models", default=every, help="which models, with commas")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    parser.add_argument("--scvi-epochs", type=int, help="further epochs to train scVI for")
    parser.add_argument("--table", action="store_true", help="only write the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    epochs = [(model, EPOCHS) for model in OURS]
    if importlib.util.find_spec("scvi"):
        theirs_for = [EPOCHS, *([given.scvi_epochs] if given.scvi_epochs else [])]
        epochs += [(model, number) for model in THEIRS for number in theirs_for]
    epochs = [(model, number) for model, number in epochs if model in given.models.split(",")]
    files = [file.partition("=")[::2] for file in given.files]
    wanted = [
        (name, path, model, seed, number)
        for seed in range(given.seeds)
        for name, path in files
        for model, number in epochs
    ]
    for name, path, model, seed, number in [] if given.table else wanted:
        done = {(row["data"], row["model"], row["seed"], row["epochs"]) for row in recorded()}
        if (name, model, seed, number) in done:
            continue
        result = run(name, path, model, seed, number)
        with RESULTS.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(f"{name}, {model}, seed {seed}: ARI {result['ari']:.3f}", flush=True)
    put_table("results/index.md", "cells table", table(recorded()))


if __name__ == "__main__":
    main()
