"""`priory interpolate`: from one example to another along the prior's density."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priory.aggregate import marginal_prior
from priory.arguments import MOST_SEED, within
from priory.arrays import to_numpy
from priory.commands.own_classes import open_run
from priory.evaluation import interpolate as find_path
from priory.evaluation import top_level
from priory.evaluation.decoding import decode_expected, label_to_decode
from priory.files import checked_file, write_whole
from priory.printing import plain_console
from priory.report import path_figure
from priory.runs.options import FurtherData, OwnClasses

SUFFIXES = (".png", ".pdf", ".npy")


def interpolate(
    run: str,
    data: FurtherData,
    classes: OwnClasses,
    between: list[int] | None = None,
    stops: int = 9,
    seed: int = 0,
    out: str = "interpolation.png",
) -> None:
    """Interpolate between two examples along the prior's density.

    The straight line between their codes is shown too. If there are several levels of latents, both
    are computed in the top level, and decoded with the levels below at their means given the top.

    Args:
        run: The directory of a run, or of a model within it.
        data: The data that contain the two examples.
        classes: Parts of the model.
        between: The positions of two examples, such as `3 17`; the first two by default.
        stops: The number of examples along the path and along the line.
        seed: The seed of the search for the path.
        out: The file to write: `.png` or `.pdf` for a figure of both, `.npy` for the expected data
            along them, `(2, stops, *data_shape)`, with the path first.

    Examples:
        priory interpolate runs/compare-1/VampPrior --between 3 17 --out path.png
    """
    within(0, MOST_SEED, seed=seed)
    path = checked_file(out, SUFFIXES)
    if not 2 <= stops <= 1000:
        raise ValueError(f"expected from 2 to 1000 stops, including both ends, got {stops}.")
    opened = open_run(run, classes)
    part, vae = data.of(opened), top_level(opened.model)
    between = [0, 1] if between is None else between
    if len(between) != 2 or not all(0 <= n < len(part) for n in between):
        raise ValueError(
            f"expected two positions from 0 to {len(part) - 1} for between, got "
            f"{', '.join(map(str, between))}."
        )
    context, ends = vae.context_of(**part.annotations), torch.tensor(between)
    codes = vae.encode(part.read(ends), context[ends])
    between_codes = find_path(marginal_prior(vae, context), codes[:1], codes[1:], seed=seed)
    along = decode_expected(vae, torch.cat(between_codes.at(stops)), label_to_decode(vae, context))
    least = (float(between_codes.log_prob.min()), float(between_codes.straight_log_prob.min()))
    _write(path, along, least)
    plain_console().print(
        f"Lowest log p(z): {least[0]:.2f} nats along the path, along the straight line "
        f"{least[1]:.2f}: {path}."
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
