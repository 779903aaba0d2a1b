"""`priory impute`: fill in the missing cells of a table."""

import torch

from priory.arguments import MOST_SEED, within
from priory.commands.columns_file import SUFFIXES, write_table
from priory.commands.own_classes import open_run
from priory.data import DataFormat
from priory.evaluation import impute as draw_missing
from priory.files import checked_file
from priory.networks.context import Context
from priory.printing import plain_console
from priory.runs.options import MOST, OwnClasses, TableOptions

FEW = 0.05
"""Below this share of accepted proposals, a message says that the chains are slow."""


def impute(
    run: str,
    data: TableOptions,
    classes: OwnClasses,
    draws: int = 1,
    steps: int = 500,
    seed: int = 0,
    out: str = "imputed.csv",
) -> None:
    """Fill in the missing cells of a table, by draws from the model given the other cells.

    Observed cells are kept, and so are columns that the model does not use, such as row names.
    Several draws per cell show how certain the model is.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to fill in.
        classes: Parts of the model.
        draws: How many times to fill in the table; the filled tables follow one another, with a
            column `draw` that numbers them from 0.
        steps: The number of steps of the Markov chain behind each draw.
        seed: The random seed.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    Examples:
        priory impute runs/people --data gaps.csv --draws 5 --out filled.csv
    """
    within(0, MOST_SEED, seed=seed)
    within(1, MOST, draws=draws, steps=steps)
    path = checked_file(out, SUFFIXES)
    if data.data is None:
        raise ValueError("expected a table with missing cells, got none; name it with --data.")
    opened = open_run(run, classes)
    form, vae = opened.format or DataFormat.read(opened.home), opened.model
    table = form.open_gaps(data.data, options=data.data_options, labelled=vae.needs_labels)
    columns = table.columns
    if vae.needs_labels and table.labels is None:
        raise ValueError(
            f"expected labels in {data.data}, which the model needs, got none; add their column."
        )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        imputed = draw_missing(
            vae,
            table.x,
            table.missing,
            draws,
            steps,
            Context(labels=table.labels),
            lambda x: columns.outside(x) | columns.without_value(x),
        )
    write_table(path, table.filled(imputed.x))
    rows = int(table.missing.any(1).sum())
    times = f"{draws} draws" if draws > 1 else "a draw"
    slow = "; as these are few, take more --steps" if imputed.acceptance < FEW else ""
    plain_console().print(
        f"{table.num_missing:,} missing cells of {rows:,} rows filled in, {times} each, "
        f"{imputed.acceptance:.0%} of proposals accepted{slow}: {path}."
    )
