"""`priory score`: how probable data are under a model."""

from typing import Any

import torch
from rich.console import Console

from priory.commands.columns_file import checked_out, write_columns
from priory.commands.run_data import check_fits, make_ready, open_part
from priory.commands.user_classes import build_module
from priory.evaluation import negative_log_likelihood
from priory.saving import load


def score(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    importance_samples: int = 512,
    seed: int = 0,
    encoder: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    out: str = "scores.csv",
) -> None:
    """Write log p(x) of data in nats, a row for each datum; the lowest are the least expected.

    Args:
        run: The directory of a run, or of a model within it, such as
            `runs/compare-1/VampPrior`.
        data: A file or a folder of the kind trained on, read as those data were: a table with their
            means, scales and categories; by default the run's own test data.
        labels: A file of labels, one for each datum, for a model that is told of them.
        data_options: Further options of the kind of data, such as `{separator: ;}`.
        importance_samples: The importance samples per datum.
        seed: The seed of the noise.
        encoder: The model's encoder, where it is of a class of your own, as for `priory train`.
        decoder: Likewise its decoder.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    """
    path = checked_out(out)
    if importance_samples < 1:
        raise ValueError(f"expected at least one importance sample, got {importance_samples}.")
    model, part = open_part(run, data, labels, data_options)
    vae = load(
        model,
        encoder=build_module("encoder", encoder),
        decoder=build_module("decoder", decoder),
    )
    make_ready(vae, run)
    x = part.tensor()
    if vae.needs_labels and part.labels is None:
        raise ValueError(
            f"expected labels of {data}, which the {type(vae.prior).__name__} needs, got none; "
            "name a file of them with --labels, or data that bring them."
        )
    check_fits(vae, x, data or "the test data", part.labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        log_prob = -negative_log_likelihood(
            vae, x, importance_samples, vae.context_of(part.labels)
        ).per_datum
    write_columns(path, log_prob, ["log_prob"])
    Console(soft_wrap=True).print(
        f"{len(log_prob)} data, {float(log_prob.mean()):.2f} nats on average by "
        f"{importance_samples} importance samples each: {path}.",
        highlight=False,
    )
