"""`priory refit`: a new prior for a trained model."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from priory.commands.own_classes import own_part, own_parts
from priory.data import DataFormat
from priory.data.latent_sources import open_latents
from priory.evaluation import evaluate, top_level
from priory.evaluation.top_level import with_top
from priory.files import write_record
from priory.printing import plain_console
from priory.priors.base import title_of
from priory.processes import Processes
from priory.report import comparison_table, write_refit_figure
from priory.runs import RefitConfig, Run, new_run_directory, next_free
from priory.runs.begin import for_run, prior_for_latents, refitted
from priory.runs.layout import METRICS
from priory.runs.options import OwnNetworks, RefitOptions
from priory.runs.run import held_out, write_config
from priory.saving import save
from priory.training import PriorFit, fit_prior
from priory.training.build import check_every_label


def refit(
    run: str | None,
    config: RefitConfig,
    classes: OwnNetworks,
    old_prior: str | None = None,
    out: str | None = None,
) -> None:
    """Fit a new prior to a trained model and show what it changed.

    If there are several levels of latents, only the prior of the top changes.

    The old run, its encoder and its decoder are not changed. The prior is fitted to the aggregated
    posterior of the training data, with early stopping on the validation data. The new run
    directory contains the model with its new prior, the numbers before and after, and a figure of
    both priors. If you give a file of latents instead of a run, it contains only the prior and its
    numbers.

    Args:
        run: The directory of a run, or of a model within it, such as
            `runs/compare-1/StandardPrior`; leave it out with `--latents`.
        config: What to fit, to what and how.
        classes: Parts of the model.
        old_prior: The prior of the run, if it is your own class, as `module:Name`.
        out: The run directory to create; by default the first of `runs/refit-1`, `runs/refit-2`,
            ... that does not exist.

    Examples:
        priory refit runs/compare-1/StandardPrior --prior VampPrior --num-components 50
    """
    if (run is None) == (config.latents.latents is None):
        got = "nothing" if run is None else "both"
        raise ValueError(f"expected RUN after priory refit, or --latents, got {got}; see --help.")
    processes, device = config.machine.start()
    if run is None:
        _refit_latents(config, processes, device, _target(out, processes))
        return
    own_prior = {"prior": own_part("prior", old_prior)} if old_prior is not None else {}
    opened = Run.open(run, **own_parts(classes), **own_prior)
    config = for_run(opened, config)
    how, old, seed = config.fitting, opened.model.to(device), config.fitting.seed or 0
    splits = config.data.open(seed, drawn_once=True)
    x, part = splits.train.tensor(), held_out(splits)
    fitted, validation = (
        replace(old.context_of(**rows.annotations), labels=rows.labels)  # for the new prior
        for rows in (splits.train, splits.validation)
    )
    unseen, context = part.tensor(), old.context_of(**part.annotations)
    opened.check_fits(unseen, splits.name, part.labels)
    target = _target(out, processes)
    if target.resolve().is_relative_to(opened.path.resolve()):
        raise ValueError(f"expected a directory outside the old model's, got {target}.")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior, config = refitted(config, old, x, fitted, own_part)
    if prior.needs_labels:
        check_every_label(splits)
    first = processes.rank == 0  # which writes
    with new_run_directory(target) if first else nullcontext(target) as scratch:
        fit = fit_prior(
            prior,
            top_level(old).encoder,
            x,
            held_out=splits.validation.tensor(),
            labels=fitted,
            held_out_labels=validation,
            **_how_long(how),
            seed=seed,
            processes=processes,
        )
        new, samples = with_top(old, fit.prior).eval(), config.measuring
        before, after = (
            evaluate(
                vae,
                unseen,
                samples.importance_samples,
                seed,
                vae.context_of(**part.annotations),
                processes=processes,
            )
            for vae in (old, new)
        )
        if not first:
            return
        save(new, scratch)
        DataFormat.of(splits).write(scratch)
        write_config(config, scratch, run=str(run))
        metrics = {"before": before.numbers, "after": after.numbers, **_record(fit)}
        write_record(scratch / METRICS, metrics)
        write_refit_figure(scratch, old, new, unseen, context, seed)
    console = plain_console()
    names = [f"{when}: {title_of(m.prior)}" for when, m in (("before", old), ("after", new))]
    title = f"{splits.name}: {before.num_data} held-out examples"
    both = dict(zip(names, (before, after), strict=True))
    console.print(comparison_table(both, title, splits.columns))
    console.print(f"The run is {target}.")


def _refit_latents(
    config: RefitConfig, processes: Processes, device: torch.device, target: Path
) -> None:
    """Fit a prior to latents in files, and save only the prior."""
    how, seed = config.fitting, config.fitting.seed or 0
    source = open_latents(config.latents.latents, config.latents.scales, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        prior, config = prior_for_latents(config, source, own_part)
    with new_run_directory(target) if processes.rank == 0 else nullcontext(target) as scratch:
        fit = fit_prior(
            prior.to(device),
            latents=source,
            **_how_long(how),
            seed=seed,
            processes=processes,
        )
        if processes.rank:
            return
        save(fit.prior, scratch)
        write_config(config, scratch)
        write_record(scratch / METRICS, _record(fit))
    console = plain_console()
    console.print(f"The prior is in {target}.")


def _record(fit: PriorFit) -> dict[str, Any]:
    """Return the numbers of a fit for a file."""
    entropies = {"start": fit.before, "fitted": fit.after, "bound": fit.bound}
    plain = {name: entropy and asdict(entropy) for name, entropy in entropies.items()}
    return {"cross_entropy": plain, "epochs": fit.epochs}


def _how_long(how: RefitOptions) -> dict[str, Any]:
    names = ("max_epochs", "patience", "batch_size", "learning_rate")
    return {name: getattr(how, name) for name in names}


def _target(out: str | None, processes: Processes) -> Path:
    if out is None and processes.count > 1:
        raise ValueError("expected --out with several processes, got none; name the run directory.")
    return Path(out) if out is not None else next_free("runs", "refit")
