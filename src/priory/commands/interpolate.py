"""`priory interpolate`: from one datum to another, by way of what the prior thinks probable."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from priory.aggregate import marginal_prior
from priory.arrays import to_numpy
from priory.commands.columns_file import checked_out
from priory.commands.run_data import make_ready, open_part
from priory.commands.user_classes import build_module
from priory.evaluation import interpolate as find_path
from priory.evaluation.decoding import decode_expected, label_to_decode
from priory.files import write_whole
from priory.report import path_figure
from priory.saving import load

SUFFIXES = (".png", ".pdf", ".npy")


def interpolate(
    run: str,
    between: list[int] | None = None,
    out: str = "interpolation.png",
    stops: int = 9,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    seed: int = 0,
) -> None:
    """Go from one datum to another along the prior's density, with the straight line beside it.

    Args:
        run: The directory of a run, or of a model within it.
        between: The positions of two of the run's test data, such as `3 17`; by default the first
            two.
        out: The file to write: `.png` or `.pdf` for a figure of both, `.npy` for the expected data
            along them, `(2, stops, *data_shape)`, the path first.
        stops: The number of data along each.
        data: Other data to begin and to end with, in the format of those trained on.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        encoder: The model's encoder, where it is of a class of your own, as for `priory train`.
        decoder: Likewise its decoder.
        seed: The seed of the search for the path.

    """
    path = checked_out(out, SUFFIXES)
    if stops < 2:
        raise ValueError(f"expected at least two stops, from end to end, got {stops}.")
    model, part = open_part(run, data, labels, data_options)
    between = [0, 1] if between is None else between
    if len(between) != 2 or not all(0 <= n < len(part) for n in between):
        raise ValueError(
            f"expected two positions from 0 to {len(part) - 1} for between, got "
            f"{', '.join(map(str, between))}."
        )
    vae = load(
        model, encoder=build_module("encoder", encoder), decoder=build_module("decoder", decoder)
    )
    make_ready(vae, run)
    if vae.needs_labels and part.labels is None:
        raise ValueError(
            f"expected labels, which the {type(vae.prior).__name__} needs, got none; name a file "
            "of them with --labels."
        )
    context, ends = vae.context_of(part.labels), torch.tensor(between)
    x = part.read(ends)
    codes = vae.encode(x, context[ends])
    found = find_path(marginal_prior(vae, context), codes[:1], codes[1:], seed=seed)
    both = torch.cat(found.at(max(2, stops)))
    along = decode_expected(vae, both, label_to_decode(vae, context))
    least = (float(found.log_prob.min()), float(found.straight_log_prob.min()))
    _write(path, along, least)
    Console(highlight=False, soft_wrap=True).print(
        f"Least log p(z) along the path {least[0]:.2f} nats, along the straight line "
        f"{least[1]:.2f}: {path}.",
        markup=False,
    )


def _write(path: Path, along: Tensor, least: tuple[float, float]) -> None:
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, to_numpy(along))
    else:
        low, high = float(along.min()), float(along.max())
        figure = path_figure(along, (low, high if high > low else low + 1), least)
        figure.savefig(content, format=path.suffix[1:], dpi=150)
    write_whole(path, content.getvalue())
