"""Compare all priors on digits: `python benchmarks/priors_on_digits.py`.

Every prior, with 2 and with 16 latent dimensions, is trained from five seeds as `priory compare`
trains it, from data where it can start from data, and measured on the test data. Each run is
appended to `benchmarks/results/priors_on_digits.jsonl` when it ends, and a run that is there is not
repeated, so that the command can be stopped and started again; `--share 0/2` and `--share 1/2` in
two shells halve the time. When all runs are there, their means and their spread over seeds are put
into `docs/priors/index.md`.

Seconds per epoch are those of one core's time, validation included.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from tables import put_table

from priory.data import open_data
from priory.evaluation import evaluate
from priory.likelihoods import choose_likelihood
from priory.priors import prior_classes
from priory.training import TrainingSettings, build, train

RESULTS = Path(__file__).parent / "results" / "priors_on_digits.jsonl"
LATENTS, SEEDS = (2, 16), range(5)
NUM_COMPONENTS = 16


def run(prior: str, latent_dim: int, seed: int) -> dict[str, Any]:
    """Train one model and return its numbers on the test data."""
    splits = open_data("digits")
    likelihood = choose_likelihood(splits.modelled)
    settings = TrainingSettings(seed=seed)
    vae = build(
        splits,
        likelihood,
        prior,
        latent_dim=latent_dim,
        num_components=NUM_COMPONENTS,
        seed=seed,
    )
    start = time.process_time()
    history = train(vae, splits, settings)
    seconds = time.process_time() - start
    context = vae.context_of(splits.test.labels)
    evaluation = evaluate(vae, splits.test.tensor(), 512, seed, context)
    return {
        "prior": prior,
        "latent_dim": latent_dim,
        "seed": seed,
        "epochs": history.epochs,
        "seconds_per_epoch": seconds / history.epochs,
        **evaluation.numbers,
    }


def recorded() -> list[dict[str, Any]]:
    """Return the runs that have ended."""
    lines = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    return [json.loads(line) for line in lines]


def spread(rows: list[dict[str, Any]], name: str, digits: int, factor: float = 1) -> str:
    """Return the mean of a number over seeds, and its standard deviation."""
    values = [factor * row[name] for row in rows if row[name] is not None]
    if not values:
        return "no components"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def table(rows: list[dict[str, Any]], latent_dim: int) -> list[str]:
    """Return the lines of the table of one number of latent dimensions, the best NLL first."""
    lines = [
        "| prior | test NLL | rate | share in holes, % | components in use | s / epoch |",
        "|---|---|---|---|---|---|",
    ]
    mine = [row for row in rows if row["latent_dim"] == latent_dim]
    groups = {name: [r for r in mine if r["prior"] == name] for name in prior_classes()}
    by_nll = sorted(
        (group for group in groups.values() if group),
        key=lambda group: (group[0]["given_labels"], statistics.mean(r["nll"] for r in group)),
    )
    for group in by_nll:
        first = group[0]
        mark = " given the label" if first["given_labels"] else ""
        about = "≈ " if first["prior_standard_error"] is not None else ""
        seconds = statistics.median(row["seconds_per_epoch"] for row in group)
        lines.append(
            f"| {first['prior']}{mark} | {about}{spread(group, 'nll', 2)} | "
            f"{about}{spread(group, 'rate', 2)} | {spread(group, 'share_in_holes', 1, 100)} | "
            f"{spread(group, 'components_in_use', 1)} | {seconds:.2f} |"
        )
    return lines


def main() -> None:
    """Run what is missing, and write the tables when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", default="0/1", help="which share of the runs, of how many")
    share, shares = map(int, parser.parse_args().share.split("/"))
    torch.set_num_threads(1)
    wanted = [(p, dim, seed) for seed in SEEDS for dim in LATENTS for p in prior_classes()]
    for number, (prior, latent_dim, seed) in enumerate(wanted):
        done = {(row["prior"], row["latent_dim"], row["seed"]) for row in recorded()}
        if number % shares != share or (prior, latent_dim, seed) in done:
            continue
        result = run(prior, latent_dim, seed)
        with RESULTS.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(f"{prior}, L = {latent_dim}, seed {seed}: NLL {result['nll']:.2f}", flush=True)
    rows = recorded()
    if len(rows) == len(wanted):
        for latent_dim in LATENTS:
            put_table("priors/index.md", f"digits, L = {latent_dim}", table(rows, latent_dim))


if __name__ == "__main__":
    main()
