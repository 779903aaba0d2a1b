"""`priory compare`: the same small VAE under several priors, side by side."""

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console
from rich.measure import Measurement

from priory import report
from priory.commands.run_data import open_run_data
from priory.data import DataFormat, describe
from priory.likelihoods import LikelihoodName, choose_likelihood
from priory.priors import prior_class, prior_classes
from priory.report import Entry, Recipe, Subject, write_figures, write_page
from priory.saving import save
from priory.training import (
    TrainingSettings,
    build,
    new_run_directory,
    next_free,
    train,
)


def compare(
    priors: str | list[str] = "StandardPrior,MoGPrior,VampPrior",
    data: str = "digits",
    data_options: dict[str, Any] | None = None,
    labels: str | None = None,
    validation: float | str = 0.1,
    test: float | str = 0.1,
    binarise: Literal["none", "dynamic", "static"] = "none",
    latent_dim: int = 2,
    num_components: int = 16,
    init: Literal["random", "data"] = "random",
    prior_options: dict[str, dict[str, Any]] | None = None,
    hidden_sizes: Sequence[int] = (256, 256),
    likelihood: LikelihoodName = "auto",
    num_values: int | None = None,
    importance_samples: int = 512,
    out: str | None = None,
    **settings: Any,
) -> None:
    """Train the same small VAE with several priors and show what each prior did.

    Seed, data order, and the initial encoder and decoder are the same for every prior. The run
    directory holds a report to open in a browser, the figures, the numbers, the trained models and
    the configuration that repeats the run.

    Args:
        priors: The names of the priors, with commas between them, or `all`.
        data: The data: `digits`, `mnist` or `fashion-mnist`; a file, whose ending says its kind
            (`.npy`, `.npz`, `.pt`, `.csv`, `.tsv`, `.parquet`, `.h5ad`, `-ubyte`); or a folder of
            images, or of IDX files as MNIST's.
        data_options: Further options of the kind: of a table `label`, `part`, `drop`,
            `categorical`, `missing_numbers`, `missing_categories` and `separator`, such as
            `{label: species}`; of `.h5ad` `layer`, `label` and `part`.
        labels: A file of labels, one for each datum, `.npy` or IDX.
        validation: The fraction of the data to validate on, where they bring no split of their own,
            or a file of such data.
        test: The fraction to test on, or a file of such data, likewise.
        binarise: Whether grey values are drawn as zeros and ones: anew in each epoch (`dynamic`),
            once (`static`), or not.
        latent_dim: The number of latent dimensions.
        num_components: The number of components of each prior that has components.
        init: Whether the components of a prior start at random or from the training data.
        prior_options: Further arguments of priors by name, such as
            `{VampPrior: {weights: uniform}}`.
        hidden_sizes: The widths of the hidden layers of the encoder, and of the decoder.
        likelihood: The likelihood of the data; `auto` chooses by their values.
        num_values: The number of values of a categorical likelihood, by default one more than the
            largest in the data, or of a discretized logistic one, by default 256.
        importance_samples: The importance samples per datum for the test NLL.
        out: The run directory, made by the command; by default the first free of
            `runs/compare-1`, `runs/compare-2`, ...
        **settings: How to train; the seed is that of everything random.

    """
    how = TrainingSettings(**settings)
    seed = how.seed
    if importance_samples < 1:
        raise ValueError(f"expected at least one importance sample, got {importance_samples}.")
    opened = {
        "data": data,
        "data_options": data_options,
        "labels": labels,
        "validation": validation,
        "test": test,
        "binarise": binarise,
    }
    splits = open_run_data({**opened, "seed": seed})
    spans = None if splits.columns is None else splits.columns.spans
    chosen = choose_likelihood(splits.modelled, likelihood, num_values, spans=spans)
    names = _names(priors, splits.num_labels is not None)
    options = {prior_class(name).__name__: own for name, own in (prior_options or {}).items()}
    models = {
        name: build(
            splits,
            chosen,
            name,
            latent_dim=latent_dim,
            num_components=num_components,
            init=init,
            prior_options=options.get(name),
            hidden_sizes=hidden_sizes,
            seed=seed,
        )
        for name in names
    }
    config = yaml.safe_dump(
        {
            "priors": ",".join(names),
            **opened,
            "latent_dim": latent_dim,
            "num_components": num_components,
            "init": init,
            "prior_options": options or None,
            "hidden_sizes": list(hidden_sizes),
            "likelihood": likelihood,
            "num_values": num_values,
            "importance_samples": importance_samples,
            **asdict(how),
        },
        sort_keys=False,
    )
    console = Console(highlight=False, soft_wrap=True)
    target = Path(out) if out is not None else next_free("runs", "compare")
    with new_run_directory(target) as run:
        console.print(f"{describe(splits)}\n{chosen}; {how}.")
        entries = []
        for name, vae in models.items():
            start = time.perf_counter()
            history = train(vae, splits, how, console=console, curves=run / name)
            seconds = time.perf_counter() - start
            save(vae, run / name)
            entries.append(
                report.entry(
                    name,
                    vae,
                    splits.test,
                    importance_samples=importance_samples,
                    seed=seed,
                    epochs=history.epochs,
                    seconds=seconds,
                    curves=run / name,
                    num_entries=len(models),
                )
            )
        DataFormat.of(splits).write(run)
        (run / "config.yaml").write_text(config)
        (run / "metrics.json").write_text(_metrics(entries))
        for entry in entries:
            entry.evaluation.write_log_prob(run / entry.name)
        write_figures(run, entries, chosen.data_range)
        command = shlex.join(["priory", "compare", "--config", str(target / "config.yaml")])
        subject = Subject(
            title=f"Priors on {splits.name}",
            summary=(
                f"The same VAE with {latent_dim} latent dimensions, trained under {len(entries)} "
                f"priors on {len(splits.train):,} data and measured on {len(splits.test):,} others."
            ),
            data_range=chosen.data_range,
            recipes=(Recipe("priory compare", command, config),),
            label_names=splits.label_names,
            columns=splits.columns,
        )
        write_page(run / "report.html", entries, subject)
    title = f"{splits.name}: {len(splits.test)} test data"
    table = report.comparison_table(entries, title, splits.columns)
    console.width = max(console.width, Measurement.get(console, console.options, table).minimum)
    console.print(table)
    console.print(f"The report is {target / 'report.html'}.")


def _names(priors: str | list[str], labelled: bool) -> list[str]:
    """Return the names of priors; all are those that data without labels leave possible."""
    if priors == "all":
        return [n for n, cls in prior_classes().items() if labelled or not cls.needs_labels]
    given = priors.split(",") if isinstance(priors, str) else priors
    names = [prior_class(name.strip()).__name__ for name in given]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"expected one or more priors, each once, got {', '.join(names) or 'none'}."
        )
    return names


def _metrics(entries: Sequence[Entry]) -> str:
    metrics = {
        entry.name: {
            **entry.evaluation.numbers,
            "epochs": entry.epochs,
            "seconds": None if entry.seconds is None else round(entry.seconds, 2),
        }
        for entry in entries
    }
    return json.dumps(metrics, indent=2) + "\n"
