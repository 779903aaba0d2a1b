"""`priory compare`: the same small VAE under several priors, side by side."""

import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement

from priory import report, training
from priory.commands.own_classes import own_logger, own_part, own_parts
from priory.data import DataFormat, describe
from priory.files import write_record
from priory.report import Recipe, Subject, write_figures, write_page
from priory.runs import CompareConfig, new_run_directory, next_free
from priory.runs.layout import METRICS, PAGE
from priory.runs.options import set_threads
from priory.runs.run import write_config
from priory.saving import save


def compare(config: CompareConfig, out: str | None = None) -> None:
    """Train the same small VAE with several priors and show what each prior did.

    Seed, data order, and the initial encoder and decoder are the same for every prior. The run
    directory holds a report to open in a browser, the figures, the numbers, the trained models and
    the configuration that repeats the run.

    Args:
        config: What to train, on what and how.
        out: The run directory, made by the command; the first free of `runs/compare-1`,
            `runs/compare-2`, ... if not given.

    Examples:
        priory compare --priors mog,vamp --data my-images.npy --latent-dim 16

    """
    how, samples = config.training, config.measuring.importance_samples
    set_threads(config.machine.threads)
    networks = own_parts(config.model)
    splits = config.data.open(how.seed)
    chosen = config.model.choose(splits)
    models, names = {}, config.model.names(splits.num_labels is not None)
    for name in names:
        own = {**networks, **({"prior": own_part("prior", name)} if ":" in name else {})}
        options = config.model.of(name).resolved(splits, chosen, own)
        models[name.rpartition(":")[2]] = options.build(splits, chosen, how.seed, own)
    size = how.batch_size_for(len(splits.train))
    threads = config.machine.threads or max(training.threads_for(v, size) for v in models.values())
    set_threads(threads)
    config = replace(
        config,
        model=replace(config.model, priors=",".join(names)),
        machine=replace(config.machine, threads=threads),
    )
    console = Console(highlight=False, soft_wrap=True, markup=False)
    target = Path(out) if out is not None else next_free("runs", "compare")
    with new_run_directory(target) as run:
        console.print(f"{describe(splits)}\n{chosen}; {how}.")
        entries = []
        for name, vae in models.items():
            start = time.perf_counter()
            history = training.train(
                vae,
                splits,
                how,
                machine=config.machine,
                logger=own_logger(config.machine.logger),
                console=console,
                curves=run / name,
            )
            seconds = time.perf_counter() - start
            save(vae, run / name)
            entries.append(
                report.entry(
                    name,
                    vae,
                    splits.test,
                    importance_samples=samples,
                    seed=how.seed,
                    epochs=history.epochs,
                    seconds=seconds,
                    curves=run / name,
                    num_entries=len(models),
                )
            )
        DataFormat.of(splits).write(run)
        text = write_config(config, run)
        metrics = {
            e.name: {
                **e.evaluation.numbers,
                "epochs": e.epochs,
                "seconds": round(e.seconds or 0, 2),
            }
            for e in entries
        }
        write_record(run / METRICS, metrics)
        for entry in entries:
            entry.evaluation.write_log_prob(run / entry.name)
        write_figures(run, entries, chosen.data_range)
        subject = Subject(
            title=f"Priors on {splits.name}",
            summary=(
                f"The same VAE with {config.model.latent_dim} latent dimensions, trained under "
                f"{len(entries)} priors on {len(splits.train):,} data and measured on "
                f"{len(splits.test):,} others."
            ),
            data_range=chosen.data_range,
            recipes=(Recipe.of(config.command, target, text),),
            label_names=splits.label_names,
            columns=splits.columns,
        )
        write_page(run / PAGE, entries, subject)
    title = f"{splits.name}: {len(splits.test)} test examples"
    table = report.comparison_table(entries, title, splits.columns)
    console.width = max(console.width, Measurement.get(console, console.options, table).minimum)
    console.print(table)
    console.print(f"The report is {target / PAGE}.")
