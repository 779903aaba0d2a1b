"""`priory encode`: the latents of data."""

import math
from pathlib import Path

import torch

from priory.blockwise import blocks
from priory.commands.cells_file import CELLS, write_beside
from priory.commands.columns_file import SUFFIXES, write_columns
from priory.commands.own_classes import open_run
from priory.distributions import JointDistribution
from priory.evaluation import top_level
from priory.evaluation.components import most_likely_component
from priory.files import checked_file
from priory.printing import plain_console
from priory.runs.options import FurtherData, OwnClasses


def encode(
    run: str,
    data: FurtherData,
    classes: OwnClasses,
    level: int | None = None,
    out: str = "latents.csv",
) -> None:
    """Write the latents of data: the mean of q(z|x), one row per example.

    If there are several levels of latents, each level has its mean given the means of the levels
    above.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to encode.
        classes: Parts of the model.
        level: The level of latents, where 1 is next to the data; all levels by default.
        out: The file to write: `.csv`, `.parquet` or `.npy`; for cells also `.h5ad`, a copy of
             their file with the latents in `obsm["X_priory"]` and, in `obs["priory_component"]`,
             the mixture component that explains each cell best.

    Examples:
        priory encode runs/people --data others.csv --out latents.parquet
    """
    path, opened = checked_file(out, (*SUFFIXES, CELLS)), open_run(run, classes)
    part, vae = data.of(opened, labelled=False), opened.model
    everything, parts, context = torch.arange(len(part)), [], vae.context_of(**part.annotations)
    for rows in blocks(len(part), math.prod(part.data_shape)):
        x, batch_context = part.read(everything[rows]), context[rows]
        if batch_context.labels is not None or not vae.needs_labels:
            opened.check_fits(x, data.data or "the test data", batch_context.labels, rows.start)
        q, z = vae.posterior(x, batch_context), vae.encode(x, batch_context)
        parts.append(q.split(z) if isinstance(q, JointDistribution) else (z,))
    levels = [torch.cat(of_level) for of_level in zip(*parts, strict=True)]
    if level is not None and not 1 <= level <= len(levels):
        raise ValueError(
            f"expected a level from 1 (next to the data) to {len(levels)} (the top), got {level}."
        )
    chosen = range(1, len(levels) + 1) if level is None else [level]
    z = torch.cat([levels[n - 1] for n in chosen], 1)
    if path.suffix == CELLS:
        options_of_run = opened.data_options if data.data is None else None
        source = Path(data.data or (options_of_run.data if options_of_run is not None else ""))
        rows_of_file = None if options_of_run is None else part.index
        component = most_likely_component(top_level(vae), levels[-1], context)
        write_beside(path, source, rows_of_file, z, component)
    else:
        names = [
            f"level{n}_z{number}" if len(chosen) > 1 else f"z{number}"
            for n in chosen
            for number in range(1, levels[n - 1].shape[1] + 1)
        ]
        names_of_rows = part.own_names
        write_columns(path, z, names, None if names_of_rows is None else {"name": names_of_rows})
    where = f" of level {level}" if level is not None and len(levels) > 1 else ""
    plain_console().print(f"{len(z)} examples in {z.shape[1]} latent dimensions{where}: {path}.")
