"""`priory train`: one model, trained as long as it takes and resumable at any moment."""

import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import _get_rank
from rich.console import Console

from priory import report, training
from priory.commands.own_classes import own_logger, own_parts
from priory.data import DataFormat, Splits, describe
from priory.files import write_record
from priory.report import Recipe, Subject, write_figures, write_page
from priory.runs import Run, TrainConfig, next_free
from priory.runs.layout import CHECKPOINT, CONFIG, METRICS, PAGE, claimed
from priory.runs.options import ModelOptions, check_range, set_threads
from priory.runs.parsing import flat
from priory.runs.run import held_out, read_config, write_config
from priory.saving import save
from priory.vae import VAE

CHANGEABLE = ("max_epochs", "patience", "accelerator", "devices", "num_nodes", "strategy", "logger")
"""Options that a run may be resumed with others of."""


def train(
    config: TrainConfig,
    resume: bool = False,
    out: str | None = None,
    checkpoint_seconds: float = 10.0,
    quiet: bool = False,
) -> None:
    """Train a VAE on data, and measure it on data that it has not seen.

    The run directory holds the configuration, the training curves, the model with the best
    validation ELBO, its numbers on the test data and a report to open in a browser. A run that was
    interrupted goes on with `--resume` and ends with the same weights as one that was not.

    Args:
        config: What to train, on what and how.
        resume: Go on with the run in `--out`; with `--max-epochs`, also with one that is finished.
        out: The run directory, made by the command; the first free of `runs/train-1`,
            `runs/train-2`, ... if not given.
        checkpoint_seconds: The least time between two checkpoints; zero writes one each epoch.
        quiet: Print nothing but errors.

    Examples:
        priory train --data images.npy --prior VampPrior --out runs/images

    """
    check_range("checkpoint_seconds", checkpoint_seconds, 0)
    first = not _get_rank()
    if out is None and (resume or not first):
        raise ValueError(
            "expected the run directory, got none; name it with --out to resume a run, or to train "
            "with several processes."
        )
    run = Path(out) if out is not None else next_free("runs", "train")
    console = Console(quiet=quiet or not first, soft_wrap=True, highlight=False, markup=False)
    classes = own_parts(config.model)
    with claimed(run, new=not resume) if first else nullcontext():
        if resume and (run / CONFIG).is_file():
            saved = read_config(run / CONFIG)
            if not isinstance(saved, TrainConfig):
                raise ValueError(f"expected a run of priory train in {run}, got another.")
            config = continued(saved, config, run)
            if (run / METRICS).is_file():
                if config.training.max_epochs <= saved.training.max_epochs:
                    console.print(f"{run} is finished already.")
                    return
                _check_further(run)
        elif resume and config == TrainConfig():
            raise FileNotFoundError(
                f"expected a run to go on with in {run}, found no {CONFIG} there; name the data to "
                "train on to start one."
            )
        _train(config, run, classes, checkpoint_seconds, console, first)


def _train(
    config: TrainConfig,
    run: Path,
    classes: dict[str, Any],
    seconds: float,
    console: Console,
    first: bool,
) -> None:
    """Train what a configuration says; only the first process writes to the run directory."""
    how, logger = config.training, own_logger(config.machine.logger)
    set_threads(config.machine.threads)
    splits = config.data.open(how.seed)
    likelihood = config.model.choose(splits)
    if config.start.from_ is None:
        config = replace(config, model=config.model.resolved(splits, likelihood, classes))
        vae = config.model.build(splits, likelihood, how.seed, classes)
    else:
        vae = _started(config, splits, classes)
    threads = config.machine.threads or training.threads_for(
        vae, how.batch_size_for(len(splits.train))
    )
    config = replace(config, machine=replace(config.machine, threads=threads))
    set_threads(threads)
    console.print(f"{describe(splits)}\n{likelihood}; {vae.prior}; {how}.")
    if first:
        DataFormat.of(splits).write(run)
        text = write_config(config, run)
        (run / METRICS).unlink(missing_ok=True)
    start = time.perf_counter()
    history = training.train(
        vae,
        splits,
        how,
        machine=config.machine,
        logger=logger,
        console=None if console.quiet else console,
        curves=run,
        checkpoint=run / CHECKPOINT,
        checkpoint_seconds=seconds,
    )
    if not first:
        return
    save(vae, run)
    part, name = held_out(splits), "test" if len(splits.test) else "validation"
    prior, samples = type(vae.prior).__name__, config.measuring.importance_samples
    console.print(
        f"Measuring on {len(part):,} {name} data, with {samples:,} importance samples each."
    )
    entry = report.entry(
        prior,
        vae,
        part,
        importance_samples=samples,
        seed=how.seed,
        epochs=history.epochs,
        seconds=time.perf_counter() - start,
        curves=run,
    )
    (run / prior).mkdir(exist_ok=True)
    write_figures(run, [entry], likelihood.data_range)
    subject = Subject(
        title=f"{prior} on {splits.name}",
        summary=(
            f"A VAE trained on {len(splits.train):,} data and measured on {len(part):,} others "
            f"({name})."
        ),
        data_range=likelihood.data_range,
        recipes=(Recipe.of(config.command, run, text),),
        label_names=splits.label_names,
        columns=splits.columns,
    )
    write_page(run / PAGE, [entry], subject)
    evaluation = entry.evaluation
    evaluation.write_log_prob(run)
    write_record(run / METRICS, {"data": name, **evaluation.numbers, **asdict(history)})
    console.print(
        f"{name} NLL {evaluation.nll:.2f} ± {evaluation.nll_standard_error:.2f}, by "
        f"{evaluation.num_samples} importance samples per example, ± its standard error over them, "
        f"in {report.density_unit(splits.columns)[0]}; the report is {run / PAGE}."
    )


def _started(config: TrainConfig, splits: Splits, classes: dict[str, Any]) -> VAE:
    """Return the model of another run, whose weights to start from."""
    before, now = flat(ModelOptions()), flat(config.model)
    theirs = ("encoder", "decoder", "prior")  # of the user's own, and named again
    changed = [n for n in now if now[n] != before[n] and not n.startswith(theirs)]
    if changed:
        raise ValueError(
            f"expected the model of --from {config.start.from_}, got {changed[0]}="
            f"{now[changed[0]]!r} too; leave one of both out."
        )
    source = Run.open(config.start.from_ or "", **classes)
    source.check_fits(splits.train.tensor()[:1], splits.name, splits.train.labels)
    return source.model.train()


def continued(saved: TrainConfig, asked: TrainConfig, run: Path) -> TrainConfig:
    """Return the configuration of a run that is to go on, with what may be changed of it.

    Raises:
        ValueError: If anything else is asked for than what the run was begun with.

    """
    before, now, default = flat(saved), flat(asked), flat(TrainConfig())
    changed = [n for n in now if now[n] != default[n] and now[n] != before[n]]
    fixed = [n for n in changed if n not in CHANGEABLE and ":" not in str(now[n])]
    if fixed:
        raise ValueError(
            f"expected {fixed[0]} to be {before[fixed[0]]!r} as in {run}, got {now[fixed[0]]!r}; "
            "resume without it, or train in another directory."
        )
    training, machine = (
        {n: now[n] for n in changed if n in CHANGEABLE and n in flat(group)}
        for group in (saved.training, saved.machine)
    )
    return replace(
        saved,
        training=replace(saved.training, **training),
        machine=replace(saved.machine, **machine),
    )


def _check_further(run: Path) -> None:
    if not (run / CHECKPOINT).is_file():
        raise ValueError(
            f"expected a checkpoint to train {run} further from, found no {CHECKPOINT}; start a "
            f"new run with its weights, by --from {run}."
        )
