"""`priory encode`: the latents of data."""

import math
from typing import Any

import torch
from rich.console import Console

from priory.blockwise import blocks
from priory.commands.columns_file import checked_out, write_columns
from priory.commands.run_data import check_fits, open_part
from priory.commands.user_classes import build_module
from priory.saving import load


def encode(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    out: str = "latents.csv",
) -> None:
    """Write the latents of data: the mean of q(z|x), a row for each datum.

    Args:
        run: The directory of a run, or of a model within it, such as
            `runs/compare-1/VampPrior`.
        data: A file or a folder of the kind trained on, read as those data were: a table with their
            means, scales and categories; by default the run's own test data.
        labels: A file of labels, one for each datum, for a model that is told of them.
        data_options: Further options of the kind of data, such as `{separator: ;}`.
        encoder: The model's encoder, where it is of a class of your own, as for `priory train`.
        decoder: Likewise its decoder.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    """
    path = checked_out(out)
    model, part = open_part(run, data, labels, data_options)
    vae = load(
        model,
        encoder=build_module("encoder", encoder),
        decoder=build_module("decoder", decoder),
    )
    everything, parts = torch.arange(len(part)), []
    for rows in blocks(len(part), math.prod(part.data_shape)):
        positions = everything[rows]
        known = None if part.labels is None else part.labels[positions]
        x = part.read(positions)
        if known is not None or not vae.needs_labels:
            check_fits(vae, x, data or "the test data", known, rows.start)
        parts.append(vae.encode(x, vae.context_of(known)))
    z = torch.cat(parts)
    write_columns(path, z, [f"z{number}" for number in range(1, z.shape[1] + 1)])
    Console(soft_wrap=True).print(f"{len(z)} data in {z.shape[1]} latent dimensions: {path}.")
