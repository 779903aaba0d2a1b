"""`priory train`: train one model, resumable at any time."""

import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from lightning.fabric.utilities.rank_zero import _get_rank

from priory import report, training
from priory.arguments import within
from priory.commands.own_classes import own_logger, own_part
from priory.files import write_record
from priory.printing import plain_console
from priory.runs import TrainConfig, next_free
from priory.runs.begin import begin, resumed
from priory.runs.layout import CHECKPOINT, METRICS, PAGE, claimed
from priory.runs.run import held_out
from priory.saving import save


def train(
    config: TrainConfig,
    resume: bool = False,
    out: str | None = None,
    checkpoint_seconds: float = 10.0,
    quiet: bool = False,
) -> None:
    """Train a VAE on data, and evaluate it on held-out data.

    The run directory contains the configuration, the training curves, the model with the best
    validation ELBO, its results on the test data and a report to open in a browser. An interrupted
    run continues with `--resume` and ends with the same weights as an uninterrupted one.

    Args:
        config: What to train, on which data and how.
        resume: Continue the run in `--out`; with `--max-epochs`, also a finished one.
        out: The run directory to create; by default the first of `runs/train-1`, `runs/train-2`,
            ... that does not exist.
        checkpoint_seconds: The minimum time between two checkpoints, in seconds; zero writes one in
            every epoch.
        quiet: Print only errors.

    Examples:
        priory train --data images.npy --prior VampPrior --out runs/images
    """
    within(0, checkpoint_seconds=checkpoint_seconds)
    first = not _get_rank()  # the others write nothing
    if out is None and (resume or not first):
        raise ValueError(
            "expected the run directory, got none; name it with --out to resume a run, or to train "
            "with several processes."
        )
    run = Path(out) if out is not None else next_free("runs", "train")
    console = plain_console(quiet=quiet or not first)
    with claimed(run, new=not resume) if first else nullcontext():
        asked = resumed(run, config) if resume else config
        if asked is None:
            console.print(f"{run} is already finished.")
            return
        begun = begin(asked, own_part)
        console.print(str(begun))
        if first:
            begun.write(run)
        start, machine = time.perf_counter(), begun.config.machine
        history = training.train(
            begun.model,
            begun.splits,
            begun.config.training,
            machine=machine,
            logger=own_logger(machine.logger),
            console=None if console.quiet else console,
            curves=run,
            checkpoint=run / CHECKPOINT,
            checkpoint_seconds=checkpoint_seconds,
        )
        if not first:
            return
        seconds = time.perf_counter() - start
        save(begun.model, run)
        part, name = held_out(begun.splits), begun.held_out
        samples, seed = begun.config.measuring.importance_samples, begun.config.training.seed
        console.print(f"Measuring on {len(part):,} {name} examples, with {samples:,} samples each.")
        entry = report.entry(
            *next(iter(begun.models.items())),
            part,
            importance_samples=samples,
            seed=seed,
            evaluation=report.evaluated(begun.model, part, samples, seed, machine.device),
            epochs=history.epochs,
            seconds=seconds,
            curves=run,
            examples=not begun.config.measuring.no_examples,
        )
        summary = (
            f"A VAE trained on {len(begun.splits.train):,} examples and measured on {len(part):,} "
            f"others ({name})."
        )
        title = f"{entry.name} on {begun.splits.name}"
        report.write_report(run, [entry], begun, title, summary)
        write_record(run / METRICS, {"data": name, **entry.evaluation.numbers, **asdict(history)})
        error = entry.evaluation.nll_standard_error  # None for a single example
        spread = "" if error is None else f" ± {error:.2f} (one standard error over examples)"
        console.print(
            f"{name} NLL {entry.evaluation.nll:.2f}{spread} with {samples} importance samples "
            f"each, in {report.density_unit(begun.splits.columns)[0]}; the report is {run / PAGE}. "
            f"{report.about_examples([entry])}"
        )
