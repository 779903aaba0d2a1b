"""`priory encode`: the latents of data."""

import math

import torch

from priory.blockwise import blocks
from priory.commands.columns_file import SUFFIXES, write_columns
from priory.commands.own_classes import open_run
from priory.files import checked_file
from priory.printing import plain_console
from priory.runs.options import FurtherData, OwnClasses


def encode(run: str, data: FurtherData, classes: OwnClasses, out: str = "latents.csv") -> None:
    """Write the latents of data: the mean of q(z|x), a row for each example.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to encode.
        classes: Parts of the model.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    Examples:
        priory encode runs/people --data others.csv --out latents.parquet
    """
    path, opened = checked_file(out, SUFFIXES), open_run(run, classes)
    part, vae = data.of(opened, labelled=False), opened.model
    everything, parts = torch.arange(len(part)), []
    for rows in blocks(len(part), math.prod(part.data_shape)):
        x, labels = part.read(everything[rows]), None if part.labels is None else part.labels[rows]
        if labels is not None or not vae.needs_labels:
            opened.check_fits(x, data.data or "the test data", labels, rows.start)
        parts.append(vae.encode(x, vae.context_of(labels)))
    z = torch.cat(parts)
    write_columns(path, z, [f"z{number}" for number in range(1, z.shape[1] + 1)])
    plain_console().print(f"{len(z)} examples in {z.shape[1]} latent dimensions: {path}.")
