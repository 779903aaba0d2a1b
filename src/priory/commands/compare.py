"""`priory compare`: the same small VAE under several priors, side by side."""

import time
from pathlib import Path

from rich.measure import Measurement

from priory import report, training
from priory.commands.own_classes import own_logger, own_part
from priory.files import write_record
from priory.printing import plain_console
from priory.runs import CompareConfig, new_run_directory, next_free
from priory.runs.begin import begin
from priory.runs.layout import METRICS, PAGE
from priory.saving import save


def compare(config: CompareConfig, out: str | None = None) -> None:
    """Train the same small VAE with several priors and show what each prior did.

    The seed, the data order, and the initial encoder and decoder are the same for every prior. The
    run directory contains a report to open in a browser, the figures, the numbers, the trained
    models and the configuration that repeats the run.

    Args:
        config: What to train, on which data and how.
        out: The run directory to create; by default the first of `runs/compare-1`,
            `runs/compare-2`, ... that does not exist.

    Examples:
        priory compare --priors mog,vamp --data my-images.npy --latent-dim 16
    """
    begun = begin(config, own_part)
    splits, how, machine = begun.splits, begun.config.training, begun.config.machine
    console = plain_console()
    target = Path(out) if out is not None else next_free("runs", "compare")
    with new_run_directory(target) as run:
        console.print(str(begun))
        begun.write(run)
        entries, metrics = [], {}
        for name, vae in begun.models.items():
            start, logger = time.perf_counter(), own_logger(machine.logger)
            history = training.train(
                vae, splits, how, machine=machine, logger=logger, console=console, curves=run / name
            )
            seconds = time.perf_counter() - start
            save(vae, run / name)
            entry = report.entry(
                name,
                vae,
                splits.test,
                importance_samples=config.measuring.importance_samples,
                seed=how.seed,
                epochs=history.epochs,
                seconds=seconds,
                curves=run / name,
                num_entries=len(begun.models),
                examples=not config.measuring.no_examples,
            )
            time_taken = {"epochs": history.epochs, "seconds": round(seconds, 2)}
            metrics[name] = entry.evaluation.numbers | time_taken
            entries.append(entry)
        write_record(run / METRICS, metrics)
        sizes = getattr(begun.model.prior, "latent_dims", (config.model.latent_dim,))
        dimensions = " + ".join(map(str, sizes))
        summary = (
            f"The same VAE with {dimensions} latent dimensions, trained under {len(entries)} "
            f"priors on {len(splits.train):,} examples and measured on {len(splits.test):,} others."
        )
        report.write_report(run, entries, begun, f"Priors on {splits.name}", summary, target)
    title = f"{splits.name}: {len(splits.test)} test examples"
    table = report.comparison_table(entries, title, splits.columns)
    console.width = max(console.width, Measurement.get(console, console.options, table).minimum)
    console.print(table)
    console.print(f"The report is {target / PAGE}. {report.about_examples(entries)}")
