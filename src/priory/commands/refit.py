"""`priory refit`: a new prior for a trained model."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from torch import Tensor

from priory.aggregate import marginal_prior
from priory.commands.own_classes import own_part, own_parts
from priory.data import DataFormat
from priory.evaluation import Evaluation, evaluate
from priory.files import write_record
from priory.priors import Prior
from priory.report import comparison_table, density_comparison, latent_map
from priory.report.latent_map import common_limits
from priory.runs import RefitConfig, Run, new_run_directory, next_free
from priory.runs.layout import METRICS
from priory.runs.options import OwnNetworks, arguments_for, set_threads
from priory.runs.parsing import flat
from priory.runs.plain_yaml import GIVEN
from priory.runs.run import held_out, write_config
from priory.saving import save
from priory.training import PriorFit, fit_prior, prior_for
from priory.training.fit_prior import facts_for
from priory.vae import VAE


def refit(
    run: str,
    config: RefitConfig,
    classes: OwnNetworks,
    old_prior: str | None = None,
    out: str | None = None,
) -> None:
    """Fit a new prior to a trained model and show what it changed.

    The old run, its encoder and its decoder stay as they are; the prior is fitted to the aggregated
    posterior of the training data, and stops by the validation data. The new run directory holds
    the model with its new prior, the numbers before and after, and a figure of both priors.

    Args:
        run: The directory of a run, or of a model within it, such as
            `runs/compare-1/StandardPrior`.
        config: What to fit, to what and how.
        classes: Parts of the model.
        old_prior: The prior of the run, where it is of a class of your own, as `module:Name`.
        out: The run directory, made by the command; the first free of `runs/refit-1`,
            `runs/refit-2`, ... if not given.

    Examples:
        priory refit runs/compare-1/StandardPrior --prior VampPrior --num-components 50

    """
    how = config.fitting
    set_threads(config.machine.threads)
    old_part = {} if old_prior is None else {"prior": own_part("prior", old_prior)}
    opened = Run.open(run, **own_parts(classes), **old_part)
    config = _with_data_of(opened, config)
    seed = config.fitting.seed or 0
    old, splits = opened.model, config.data.open(seed, drawn_once=True)
    x, part = splits.train.tensor(), held_out(splits)
    unseen, labels = part.tensor(), splits.train.labels
    opened.check_fits(unseen, splits.name, part.labels)
    target = Path(out) if out is not None else next_free("runs", "refit")
    if target.resolve().is_relative_to(opened.path.resolve()):
        raise ValueError(f"expected a directory beyond the old model's, got {target}.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior, config = _prior(config, old, x, labels)
    with new_run_directory(target) as scratch:
        fit = fit_prior(
            prior,
            old.encoder,
            x,
            held_out=splits.validation.tensor(),
            labels=labels,
            held_out_labels=splits.validation.labels,
            max_epochs=how.max_epochs,
            patience=how.patience,
            batch_size=how.batch_size,
            learning_rate=how.learning_rate,
            seed=seed,
        )
        new = VAE(old.encoder, old.decoder, fit.prior).eval()
        samples = config.measuring.importance_samples
        before, after = (
            evaluate(vae, unseen, samples, seed, vae.context_of(part.labels)) for vae in (old, new)
        )
        save(new, scratch)
        DataFormat.of(splits).write(scratch)
        write_config(config, scratch, run=str(run))
        write_record(scratch / METRICS, _metrics(before, after, fit))
        _draw(scratch, old, new, unseen, part.labels, seed)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    both = {
        f"before: {type(old.prior).__name__}": before,
        f"after: {type(new.prior).__name__}": after,
    }
    title = f"{splits.name}: {before.num_data} unseen examples"
    console.print(comparison_table(both, title, splits.columns))
    console.print(f"The run is {target}.")


def _with_data_of(run: Run, config: RefitConfig) -> RefitConfig:
    """Return a configuration with the data and the seed of a run where none are asked for."""
    options = flat(run.data_options) if run.data_options else {}
    given = {n: v for n, v in flat(config.data).items() if v is not None}
    defaults: dict[str, Any] = {"validation": 0.1, "test": 0.1, "binarise": "none"}
    data = replace(config.data, **(defaults | options | given))
    if data.data is None:
        raise ValueError(
            f"expected the data of {run.path} in a config.yaml beside it or above, got none; name "
            "the data with --data."
        )
    seed = run.seed if config.fitting.seed is None else config.fitting.seed
    return replace(config, data=data, fitting=replace(config.fitting, seed=seed))


def _prior(
    config: RefitConfig, vae: VAE, x: Tensor, labels: Tensor | None
) -> tuple[Prior, RefitConfig]:
    """Return the new prior, and the configuration that builds it again."""
    how = config.fitting
    if ":" not in how.prior:
        prior = prior_for(
            how.prior,
            vae.encoder,
            x,
            num_components=how.num_components,
            init=how.init,
            labels=labels,
            **(how.prior_options or {}),
        )
        return prior, replace(config, fitting=replace(how, prior=type(prior).__name__))
    z = vae.encode(x[:1], vae.context_of(None if labels is None else labels[:1]))
    facts = facts_for(vae.encoder, z, x, how.num_components, how.init, labels)
    factory = own_part("prior", how.prior)
    told = arguments_for(factory, how.prior_options, facts)
    return cast(Prior, factory(**told)), replace(
        config, fitting=replace(how, prior=GIVEN, prior_options=told)
    )


def _metrics(before: Evaluation, after: Evaluation, fit: PriorFit) -> dict[str, Any]:
    return {
        "before": before.numbers,
        "after": after.numbers,
        "cross_entropy": {
            "start": asdict(fit.before),
            "fitted": asdict(fit.after),
            "bound": None if fit.bound is None else asdict(fit.bound),
        },
        "epochs": fit.epochs,
    }


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
