"""`priory refit`: a new prior for a trained model."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import torch
import yaml
from rich.console import Console
from torch import Tensor

from priory.aggregate import marginal_prior
from priory.commands.run_data import DEFAULTS, check_fits, is_ready, open_run_data
from priory.data import DataFormat
from priory.evaluation import Evaluation, evaluate
from priory.priors import Prior
from priory.report import comparison_table, density_comparison, latent_map
from priory.report.latent_map import common_limits
from priory.saving import load, save
from priory.training import (
    FoundRun,
    PriorFit,
    find_run,
    fit_prior,
    new_run_directory,
    next_free,
    prior_for,
)
from priory.vae import VAE


def refit(
    run: str,
    prior: str = "VampPrior",
    num_components: int | None = None,
    init: str = "data",
    prior_options: dict[str, Any] | None = None,
    data: str | None = None,
    data_options: dict[str, Any] | None = None,
    labels: str | None = None,
    binarise: Literal["none", "dynamic", "static"] | None = None,
    validation: float | str | None = None,
    test: float | str | None = None,
    seed: int | None = None,
    max_epochs: int = 1000,
    patience: int = 20,
    batch_size: int | None = None,
    learning_rate: float = 5e-3,
    importance_samples: int = 512,
    out: str | None = None,
) -> None:
    """Fit a new prior to a trained model and show what it changed; the old run stays as it is.

    Encoder and decoder stay as they are; the prior is fitted to the aggregated posterior of the
    training data, and stops by the validation data. The new run directory holds the model with its
    new prior, the numbers before and after, and a figure of both priors.

    Args:
        run: The directory of a run, or of a model within it, such as
            `runs/compare-1/StandardPrior`.
        prior: The name of the new prior.
        num_components: The number of its components; by default one for every 20 training data, at
            most 500.
        init: Where its components start: `random`, from `data`, or, for some priors, by `em` or
            `kmeans`.
        prior_options: Further arguments of the prior's own, such as `{weights: uniform}`.
        data: Other data to fit and to measure on; by default those of the run, as are the next six.
        data_options: Further options of their kind, such as `{label: species}` for a table.
        labels: A file of labels, one for each datum.
        binarise: Whether grey values are drawn as zeros and ones; here, once.
        validation: The fraction of the data to validate on, where they bring no split of their own,
            or a file of such data.
        test: The fraction to test on, or a file, likewise.
        seed: The seed of the split and of everything random.
        max_epochs: The most epochs to train.
        patience: Epochs without a better held-out cross-entropy after which training stops.
        batch_size: The number of data in a batch; by default a hundredth of them, between 64 and
            1000.
        learning_rate: The step size of Adam.
        importance_samples: The importance samples per datum for the test NLL.
        out: The run directory, made by the command; by default the first free of `runs/refit-1`,
            `runs/refit-2`, ...

    """
    if importance_samples < 1:
        raise ValueError(f"expected at least one importance sample, got {importance_samples}.")
    found = find_run(run)
    asked = {
        "data": data,
        "data_options": data_options,
        "labels": labels,
        "binarise": binarise,
        "validation": validation,
        "test": test,
        "seed": seed,
    }
    origin = _origin(found, asked)
    static = {**origin, "binarise": "static"} if origin["binarise"] == "dynamic" else origin
    old, splits, seed = load(found.model), open_run_data(static), int(origin["seed"])
    x, held_out = splits.train.tensor(), splits.validation.tensor()
    part = splits.test if len(splits.test) else splits.validation
    unseen = part.tensor()
    check_fits(old, unseen, splits.name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if not is_ready(old):  # grey values are what it is made of, and not one draw of them
            cast(Prior, old.prior).fit_data(open_run_data(origin).train.tensor(), old.encoder)
        fitted = prior_for(
            prior,
            old.encoder,
            x,
            num_components=num_components,
            init=init,
            labels=splits.train.labels,
            **(prior_options or {}),
        )
    config = {
        "run": str(run),
        "prior": type(fitted).__name__,
        "num_components": num_components,
        "init": init,
        "prior_options": prior_options,
        **origin,
        "max_epochs": max_epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "importance_samples": importance_samples,
    }
    target = Path(out) if out is not None else next_free("runs", "refit")
    if target.resolve().is_relative_to(found.model.resolve()):
        raise ValueError(f"expected a directory beyond the old model's, got {target}.")
    with new_run_directory(target) as scratch:
        fit = fit_prior(
            fitted,
            old.encoder,
            x,
            held_out=held_out,
            labels=splits.train.labels,
            held_out_labels=splits.validation.labels,
            max_epochs=max_epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )
        new = VAE(old.encoder, old.decoder, fit.prior).eval()
        before, after = (
            evaluate(vae, unseen, importance_samples, seed, vae.context_of(part.labels))
            for vae in (old, new)
        )
        save(new, scratch)
        DataFormat.of(splits).write(scratch)
        (scratch / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        (scratch / "metrics.json").write_text(_metrics(before, after, fit))
        _draw(scratch, old, new, unseen, part.labels, seed)
    console = Console(highlight=False, soft_wrap=True)
    both = {
        f"before: {type(old.prior).__name__}": before,
        f"after: {type(new.prior).__name__}": after,
    }
    title = f"{splits.name}: {before.num_data} unseen data"
    console.print(comparison_table(both, title, splits.columns))
    console.print(f"The run is {target}.")


def _origin(found: FoundRun, asked: dict[str, Any]) -> dict[str, Any]:
    """Return where the data come from: as asked, or else as the run has it."""
    given = {name: value for name, value in asked.items() if value is not None}
    origin = {**{name: found.config.get(name, DEFAULTS[name]) for name in DEFAULTS}, **given}
    shares = isinstance(origin["validation"], float | int | str) and isinstance(
        origin["test"], float | int | str
    )
    if not (isinstance(origin["data"], str) and isinstance(origin["seed"], int) and shares):
        raise ValueError(
            f"expected the data of {found.model} in a config.yaml beside it or above, got "
            f"{origin}; name the data with --data."
        )
    return origin


def _metrics(before: Evaluation, after: Evaluation, fit: PriorFit) -> str:
    metrics = {
        "before": before.numbers,
        "after": after.numbers,
        "cross_entropy": {
            "start": asdict(fit.before),
            "fitted": asdict(fit.after),
            "bound": None if fit.bound is None else asdict(fit.bound),
        },
        "epochs": fit.epochs,
    }
    return json.dumps(metrics, indent=2) + "\n"


@torch.no_grad()
def _draw(directory: Path, old: VAE, new: VAE, x: Tensor, labels: Tensor | None, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        z = old.posterior(x, old.context_of(labels)).sample()
        priors = {
            f"before: {type(old.prior).__name__}": marginal_prior(old, old.context_of(labels)),
            f"after: {type(new.prior).__name__}": marginal_prior(new, new.context_of(labels)),
        }
        limits = common_limits([latent_map(title, p, z) for title, p in priors.items()])
        figure = density_comparison([latent_map(t, p, z, limits) for t, p in priors.items()])
    figure.savefig(directory / "priors.png", dpi=150)
    figure.savefig(directory / "priors.pdf")
