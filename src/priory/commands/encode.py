"""`priory encode`: the latents of data."""

from typing import Any

import torch
from rich.console import Console

from priory.commands.columns_file import checked_out, write_columns
from priory.commands.run_data import open_part
from priory.saving import load

AT_ONCE = 4096


def encode(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    out: str = "latents.csv",
) -> None:
    """Write the latents of data: the mean of q(z|x), a row for each datum.

    Args:
        run: The directory of a run, or of a model within it.
        data: The data, in the format of those trained on; by default the run's own test data.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    """
    path = checked_out(out)
    model, part = open_part(run, data, labels, data_options)
    vae = load(model)
    rows = torch.arange(len(part)).split(AT_ONCE)
    z = torch.cat([vae.encode(part.read(positions)) for positions in rows])
    write_columns(path, z, [f"z{number}" for number in range(1, z.shape[1] + 1)])
    Console(soft_wrap=True).print(f"{len(z)} data in {z.shape[1]} latent dimensions: {path}.")
