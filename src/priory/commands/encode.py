"""`priory encode`: the latents of data."""

import math
from pathlib import Path

import torch
from rich.console import Console

from priory.blockwise import blocks
from priory.commands.cells_file import CELLS, write_beside
from priory.commands.columns_file import SUFFIXES, write_columns
from priory.commands.own_classes import open_run
from priory.evaluation.components import most_likely_component
from priory.files import checked_file
from priory.runs.options import FurtherData, OwnClasses


def encode(run: str, data: FurtherData, classes: OwnClasses, out: str = "latents.csv") -> None:
    """Write the latents of data: the mean of q(z|x), a row for each example.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to encode.
        classes: Parts of the model.
        out: The file to write, `.csv`, `.parquet` or `.npy`; of cells also `.h5ad`, a copy of their
            file with the latents in `obsm["X_priory"]`, and in `obs["priory_component"]` the
            component of a mixture that explains each best.

    Examples:
        priory encode runs/people --data others.csv --out latents.parquet
    """
    path, opened = checked_file(out, (*SUFFIXES, CELLS)), open_run(run, classes)
    part, vae = data.of(opened, labelled=False), opened.model
    everything, parts, known = torch.arange(len(part)), [], vae.context_of(**part.known)
    for rows in blocks(len(part), math.prod(part.data_shape)):
        x = part.read(everything[rows])
        if known.labels is not None or not vae.needs_labels:
            opened.check_fits(x, data.data or "the test data", known[rows].labels, rows.start)
        parts.append(vae.encode(x, known[rows]))
    z = torch.cat(parts)
    if path.suffix == CELLS:
        own = opened.data_options if data.data is None else None
        source = Path(data.data or (own.data if own is not None else ""))
        rows_of_file = None if own is None else part.index
        write_beside(path, source, rows_of_file, z, most_likely_component(vae, z, known))
    else:
        names = [f"z{number}" for number in range(1, z.shape[1] + 1)]
        write_columns(path, z, names, part.own_names)
    Console(soft_wrap=True, markup=False).print(
        f"{len(z)} examples in {z.shape[1]} latent dimensions: {path}."
    )
