"""`priory score`: how probable data are under a model."""

from typing import Any

import torch
from rich.console import Console

from priory.commands.columns_file import checked_out, write_columns
from priory.commands.run_data import open_part
from priory.evaluation import negative_log_likelihood
from priory.saving import load


def score(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    importance_samples: int = 512,
    seed: int = 0,
    out: str = "scores.csv",
) -> None:
    """Write log p(x) of data in nats, a row for each datum; the lowest are the least expected.

    Args:
        run: The directory of a run, or of a model within it.
        data: The data, in the format of those trained on; by default the run's own test data.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        importance_samples: The importance samples per datum.
        seed: The seed of the noise.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    """
    path = checked_out(out)
    model, part = open_part(run, data, labels, data_options)
    vae = load(model)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        log_prob = -negative_log_likelihood(vae, part.tensor(), importance_samples).per_datum
    write_columns(path, log_prob, ["log_prob"])
    Console(soft_wrap=True).print(
        f"{len(log_prob)} data, {float(log_prob.mean()):.2f} nats on average by "
        f"{importance_samples} importance samples each: {path}.",
        highlight=False,
    )
