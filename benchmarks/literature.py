"""Record runs of the recipes, and write the page of results from the records.

    python benchmarks/literature.py record mnist/vamp runs/mnist-vamp-0
    python benchmarks/literature.py time mnist/vamp --data mnist:FOLDER
    python benchmarks/literature.py page

`record` takes a run that `priory train --config recipes/mnist/vamp.yaml` has finished and `priory
evaluate` has measured, checks that it is one of the recipe, and writes its numbers, versions and
curve to `docs/results/runs/`; of seed 0 it also draws samples, and pseudo-inputs before and after.
`time` trains until validation has come twice, and writes what an epoch of the second half took to
`docs/results/seconds.json`. `page` puts the tables and the curves of all records into
`docs/results/index.md`.
"""

import argparse
import csv
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from rich.console import Console
from tables import DOCS, put_table

from priory.evaluation import decode
from priory.report import grid_figure
from priory.runs import Run, TrainConfig
from priory.runs.parsing import flat
from priory.runs.run import read_config
from priory.training import train

ROOT = Path(__file__).parents[1]
RESULTS = DOCS / "results"
SECONDS = RESULTS / "seconds.json"
OF_THE_MACHINE = ("data", "seed", "threads", "precision")
"""What a run of a recipe may set differently."""

NLL_SAMPLES = 5000

PUBLISHED = {
    "mnist/standard": "84.45 ± 0.12",
    "mnist/vamp": "82.43 ± 0.06",
    "mnist/exemplar": "82.09 ± 0.18",
    "mnist/two-levels-standard": "82.39 ± 0.11",
    "mnist/two-levels-vamp": "81.56 ± 0.09",
    "mnist/two-levels-exemplar": "81.22 ± 0.05",
    "mnist/two-levels-vamp-conv": "79.67",
    "fashion/standard": "228.70",
    "fashion/vamp": "227.35",
    "fashion/exemplar": "226.75",
    "fashion/two-levels-vamp": "226.72",
}
"""Norouzi et al. 2020, table 1, in nats, by recipe without its schedule."""

AIMED_AT = {
    "mnist/standard": 84.0,
    "mnist/vamp": 82.0,
    "mnist/exemplar": 81.7,
    "mnist/two-levels-standard": 82.0,
    "mnist/two-levels-vamp": 81.0,
    "mnist/two-levels-exemplar": 80.8,
    "fashion/standard": 228.0,
    "fashion/vamp": 226.9,
    "fashion/exemplar": 226.5,
    "fashion/two-levels-vamp": 226.4,
}

TABLES = {
    "mnist": lambda name: name.startswith("mnist/") and not _has_levels(name),
    "two levels": lambda name: _has_levels(name),
    "fashion": lambda name: name.startswith("fashion/"),
    "fair": lambda name: name.startswith("fair/"),
}
"""The tables of the page, and which recipes each of them has."""


def _has_levels(name: str) -> bool:
    return name.startswith("mnist/two-levels")


def _without_schedule(name: str) -> str:
    """Return the recipe whose protocol another one follows with a different schedule."""
    return name.removesuffix("-decay")


def recipe(name: str) -> TrainConfig:
    """Return the configuration of a recipe."""
    config = read_config(ROOT / "recipes" / f"{name}.yaml")
    assert isinstance(config, TrainConfig)
    return config


def built(config: TrainConfig, splits: Any) -> Any:
    """Build the model of a configuration, as it was before it was trained."""
    return config.model.build(splits, config.model.choose(splits), config.training.seed, {})


def record(name: str, run: Path, trained_on: str | None = None) -> None:
    """Write down what a run of a recipe has given, and where it was trained if not here."""
    finished = Run.open(run)
    config = flat(finished.config)
    for option, value in flat(recipe(name)).items():
        if option not in OF_THE_MACHINE and (got := config[option]) != value:
            raise SystemExit(f"{run} has {option} {got!r}, and the recipe {value!r}.")
    metrics = finished.metrics
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    validated = [row for row in rows if row["elbo"]]
    numbers = {
        "recipe": name,
        "seed": config["seed"],
        "prior": config["prior"],
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "lightning", "priory")},
        "trained_on": trained_on,
        "epochs": metrics["epochs"],
        "test": {
            part: metrics[part]
            for part in (
                *("elbo", "reconstruction", "rate", "components_in_use", "share_in_holes"),
                *("nll", "num_samples"),
            )
        },
        "measures": json.loads((run / "measures.json").read_text()),
        "validation_every": int(validated[0]["epoch"]) + 1,
        "validation_elbo": [round(float(row["elbo"]), 3) for row in validated],
    }
    path = record_of(name, config["seed"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(shortened(numbers), indent=1) + "\n")
    if config["seed"] == 0 and name in PUBLISHED:
        draw(name, finished)
    print(f"{path.stem}: NLL {numbers['measures']['nll']['mean']:.2f}")


def shortened(value: Any) -> Any:
    """Leave out what belongs to each example, pseudo-input or dimension, and round the rest."""
    if isinstance(value, dict):
        long = (name for name, part in value.items() if isinstance(part, list) and len(part) > 20)
        kept = set(value) - (set(long) - {"validation_elbo"})
        return {name: shortened(part) for name, part in value.items() if name in kept}
    if isinstance(value, list):
        return [shortened(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def record_of(name: str, seed: int) -> Path:
    """Return where a run of a recipe is recorded."""
    return RESULTS / "runs" / f"{name.replace('/', '-')}-{seed}.json"


def draw(name: str, run: Run) -> None:
    """Draw what samples of a run are expected to be, and its pseudo-inputs before and after."""
    vae = run.model
    torch.manual_seed(0)
    with torch.no_grad():
        z = vae.prior_distribution().sample((32,))
    pictures = {"samples": decode(vae, z, mean=True)}
    pseudo_inputs = getattr(vae.prior, "pseudo_inputs", None)
    if pseudo_inputs is not None:
        heaviest = vae.prior.logits.argsort(descending=True)[:16]
        before = built(run.config, run.data).prior.pseudo_inputs
        pictures["before"] = before[heaviest].detach()
        pictures["after"] = pseudo_inputs[heaviest].detach()
    for what, data in pictures.items():
        figure = grid_figure(data, (0.0, 1.0), columns=16 if what == "samples" else 8)
        figure.savefig(RESULTS / f"{name.replace('/', '-')}-{what}.png", dpi=80)


def time_epoch(name: str, data: str | None) -> None:
    """Write down what an epoch of a recipe takes but for the first ones, validation included."""
    from training_speed import Clock

    config = recipe(name)
    where = replace(config.data, data=data or config.data.data)
    splits = where.open(config.training.seed)
    vae, clock, every = built(config, splits), Clock(), config.training.validate_every
    how, machine = replace(config.training, max_epochs=2 * every), config.machine
    with open(os.devnull, "w") as nowhere:
        train(vae, splits, how, machine=machine, logger=clock, console=Console(file=nowhere))
    seconds = json.loads(SECONDS.read_text()) if SECONDS.is_file() else {}
    seconds[name] = round((clock.ends[-1] - clock.ends[every - 1]) / every, 2)
    seconds["threads"], seconds["load"] = torch.get_num_threads(), round(os.getloadavg()[0], 1)
    SECONDS.write_text(json.dumps(seconds, indent=1) + "\n")
    print(f"{name}: {seconds[name]} s per epoch at {time.strftime('%H:%M')}")


def records() -> dict[str, list[dict[str, Any]]]:
    """Return the records of each recipe, by seed."""
    by_recipe: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((RESULTS / "runs").glob("*.json")):
        one = json.loads(path.read_text())
        by_recipe.setdefault(one["recipe"], []).append(one)
    return by_recipe


def over_seeds(values: Sequence[float | None], digits: int, factor: float = 1) -> str:
    """Return a mean, and the standard deviation over seeds where there are several."""
    present = [factor * value for value in values if value is not None]
    if not present:
        return "no components"
    spread = f" ± {statistics.stdev(present):.{digits}f}" if len(present) > 1 else ""
    return f"{statistics.mean(present):.{digits}f}{spread}"


def likelihood_row(name: str, runs: list[dict[str, Any]]) -> list[str]:
    """Return how probable new data are under a recipe, beside what is published and aimed at."""
    measures = [run["measures"] for run in runs]
    nll = over_seeds([m["nll"]["mean"] for m in measures], 2)
    if len(runs) == 1:
        nll += f" (± {measures[0]['nll']['standard_error']:.2f} over data)"
    if (samples := measures[0]["nll"]["num_samples"]) != NLL_SAMPLES:
        nll += f", by {samples} samples"
    cells = [runs[0]["prior"], f"`{name}`", str(len(runs)), nll]
    return [*cells, over_seeds([-run["test"]["elbo"] for run in runs], 2), *targets(name)]


def targets(name: str) -> list[str]:
    """Return the published value of a recipe of images, and the target."""
    if name.startswith("fair/"):
        return []
    kind = _without_schedule(name)
    aim = f"{AIMED_AT[kind]:.1f}" if kind in AIMED_AT else "none"
    return [PUBLISHED.get(kind, "none"), aim]


def prior_row(name: str, runs: list[dict[str, Any]], seconds: dict[str, Any]) -> list[str]:
    """Return what the prior of a recipe did."""
    measures = [run["measures"] for run in runs]
    taken_apart = measures[0]["surgery"]
    ceiling = math.log(taken_apart["num_data"])
    near = ceiling - taken_apart["mutual_information"]["value"] < 0.1
    terms = ("mutual_information", "marginal_kl")
    rates = [sum(m["surgery"][term]["value"] for term in terms) for m in measures]
    kl = over_seeds([m["surgery"]["marginal_kl"]["value"] for m in measures], 3)
    return [
        f"`{name}`",
        over_seeds(rates, 2),
        kl + (" †" if near else ""),
        over_seeds([m["holes"]["prior_in_holes"] for m in measures], 1, 100),
        over_seeds([m["components_in_use"] for m in measures], 0),
        over_seeds([run["epochs"] for run in runs], 0),
        str(seconds.get(name, "not timed")),
    ]


def lines_of(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table; rows that end early are filled."""
    filled = (
        cells + [""] * (len(head) - len(cells)) for cells in [head, ["---"] * len(head), *rows]
    )
    return ["| " + " | ".join(cells) + " |" for cells in filled]


def tables(kind: str, recorded: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the lines of the two tables of a data set, the highest NLL first."""
    seconds = json.loads(SECONDS.read_text()) if SECONDS.is_file() else {}
    of_kind = {name: runs for name, runs in recorded.items() if TABLES[kind](name)}
    highest_first = sorted(
        of_kind.items(),
        key=lambda item: -statistics.mean(run["measures"]["nll"]["mean"] for run in item[1]),
    )
    recipes = {f"{path.parent.name}/{path.stem}" for path in (ROOT / "recipes").glob("*/*.yaml")}
    missing = {name for name in recipes if TABLES[kind](name)}
    head = ["prior", "recipe", "seeds", "test NLL", "-ELBO"]
    head += ["published", "aim"] if kind != "fair" else []
    rows = [likelihood_row(*item) for item in highest_first]
    rows += [
        [recipe(name).model.prior, f"`{name}`", "0", "not run to its end", "", *targets(name)]
        for name in sorted(missing - of_kind.keys())
    ]
    did = ["recipe", "rate", "marginal KL", "in holes, %", "in use", "epochs", "s / epoch"]
    if not highest_first:
        return lines_of(head, rows)
    return [
        *lines_of(head, rows),
        "",
        "What the prior did:",
        "",
        *lines_of(did, [prior_row(*item, seconds) for item in highest_first]),
    ]


def curves(recorded: dict[str, list[dict[str, Any]]]) -> None:
    """Draw the validation ELBO of the runs on MNIST."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    priors = list(PUBLISHED)
    lowest = math.inf
    for name, runs in recorded.items():
        if not name.startswith("mnist/"):
            continue
        kind = _without_schedule(name)
        colour = f"C{priors.index(kind)}" if kind in priors else f"C{len(priors)}"
        for run in runs:
            loss = [-value for value in run["validation_elbo"]]
            lowest = min(lowest, *loss)
            label = name.removeprefix("mnist/") if run is runs[0] else None
            style = "-" if name == kind else "--"
            every = run.get("validation_every", 1)
            epochs = range(every, every * len(loss) + 1, every)
            ax.plot(epochs, loss, style, color=colour, label=label, lw=1.4)
    ax.set(
        xlabel="epoch", ylabel="-ELBO on validation data, nats", ylim=(lowest - 0.5, lowest + 12)
    )
    ax.legend(loc="upper right")
    ax.grid(alpha=0.3)
    figure.savefig(RESULTS / "curves.png", dpi=120)


def pictures(recorded: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return the lines that show what was drawn of the recipes."""
    captions = {
        "samples": "E[x|z] at samples of the prior",
        "before": "the heaviest pseudo-inputs as they started, from data",
        "after": "the same after training",
    }
    lines = []
    for name, runs in recorded.items():
        for what, caption in captions.items():
            picture = f"{name.replace('/', '-')}-{what}.png"
            if (RESULTS / picture).is_file():
                text = f"{runs[0]['prior']} ({name}): {caption}."
                lines += [text, "", f"![{text}]({picture})", ""]
    return lines


def page() -> None:
    """Write the tables, the pictures and the curves of all records."""
    recorded = records()
    put_table("results/index.md", "mnist pictures", pictures(recorded))
    for kind in TABLES:
        put_table("results/index.md", f"{kind} table", tables(kind, recorded))
    curves(recorded)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("record")
    one.add_argument("recipe")
    one.add_argument("run", type=Path)
    one.add_argument(
        "--trained-on", help="another machine and its torch, where the run is from one"
    )
    two = commands.add_parser("time")
    two.add_argument("recipe")
    two.add_argument("--data")
    commands.add_parser("page")
    given = parser.parse_args()
    if given.command == "record":
        record(given.recipe, given.run, given.trained_on)
    elif given.command == "time":
        time_epoch(given.recipe, given.data)
    else:
        page()


if __name__ == "__main__":
    main()
