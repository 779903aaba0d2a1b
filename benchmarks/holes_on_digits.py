"""What three priors do on digits: `python benchmarks/holes_on_digits.py`.

The priors of the comparison in the README, started at random as there, with 2 and with 16 latent
dimensions and five seeds: test NLL, marginal KL of the training data, and the share of prior
samples in holes. Each run is appended to `benchmarks/results/holes_on_digits.jsonl` when it ends,
and one that is there is not repeated. When all are there, the table in `docs/results/index.md` is
written.
"""

import json
from pathlib import Path
from typing import Any

import torch
from priors_on_digits import spread
from tables import put_table

from priory.data import open_data
from priory.evaluation import evaluate, surgery
from priory.likelihoods import choose_likelihood
from priory.training import TrainingSettings, build, train

RESULTS = Path(__file__).parent / "results" / "holes_on_digits.jsonl"
PRIORS = ("StandardPrior", "MoGPrior", "VampPrior")


def run(prior: str, latent_dim: int, seed: int) -> dict[str, Any]:
    """Train one model and return its numbers."""
    splits = open_data("digits", seed)
    vae = build(
        splits,
        choose_likelihood(splits.modelled),
        prior,
        latent_dim=latent_dim,
        num_components=16,
        init="random",
        seed=seed,
    )
    history = train(vae, splits, TrainingSettings(seed=seed))
    row = evaluate(vae, splits.test.tensor(), 512, seed)
    taken_apart = surgery(vae, splits.train.tensor(), 10)
    return {
        "prior": prior,
        "latent_dim": latent_dim,
        "seed": seed,
        "epochs": history.epochs,
        "nll": row.nll,
        "rate": row.rate,
        "share_in_holes": row.share_in_holes,
        "components_in_use": row.components_in_use,
        "marginal_kl": taken_apart.marginal_kl.value,
        "mutual_information": taken_apart.mutual_information.value,
    }


def recorded() -> list[dict[str, Any]]:
    """Return the runs that have ended."""
    lines = RESULTS.read_text().splitlines() if RESULTS.is_file() else []
    return [json.loads(line) for line in lines]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "| L | prior | test NLL | rate | marginal KL | in holes, % | in use |",
        "|---|---|---|---|---|---|---|",
    ]
    for latent_dim in (2, 16):
        for prior in PRIORS:
            group = [r for r in rows if (r["prior"], r["latent_dim"]) == (prior, latent_dim)]
            cells = [
                str(latent_dim),
                prior,
                spread(group, "nll", 2),
                spread(group, "rate", 2),
                spread(group, "marginal_kl", 3),
                spread(group, "share_in_holes", 1, 100),
                spread(group, "components_in_use", 1),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run what is missing, and write the table when nothing is."""
    torch.set_num_threads(1)
    wanted = [(prior, dim, seed) for seed in range(5) for dim in (2, 16) for prior in PRIORS]
    for which in wanted:
        if which in {(r["prior"], r["latent_dim"], r["seed"]) for r in recorded()}:
            continue
        result = run(*which)
        with RESULTS.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(f"{which}: {result['marginal_kl']:.3f} nats", flush=True)
    put_table("results/index.md", "digits table", table(recorded()))


if __name__ == "__main__":
    main()
