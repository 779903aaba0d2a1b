"""Data by name or by path, split."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from priory.data.binarise import grey_range
from priory.data.part import Part
from priory.data.sources.kinds import open_like, open_source
from priory.data.splits import Splits, split


def open_data(
    source: str | Path,
    seed: int = 0,
    validation: float | str | Path = 0.1,
    test: float | str | Path = 0.1,
    labels: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    binarise: Literal["none", "dynamic", "static"] = "none",
) -> Splits:
    """Open data by a built-in name or the path of a file, and split them.

    Args:
        source: What to open, as for `open_source`.
        seed: The seed of a random split, where the data bring no split of their own.
        validation: The fraction to validate on, or the file that holds the data to validate on.
        test: The fraction to test on, or the file that holds the data to test on.
        labels: A file of labels, one for each datum.
        options: Further options of the kind of source.
        binarise: Whether grey values are drawn as zeros and ones: anew in each epoch, once, or not.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is unknown, or a file cannot be read or does not fit the others.

    Examples:
        >>> from priory.data import open_data
        >>> open_data("digits").name
        'digits'

    """
    shares = [given if isinstance(given, int | float) else 0.0 for given in (validation, test)]
    if not (0 <= shares[0] < 1 and 0 <= shares[1] < 1):  # even where the data bring a split
        raise ValueError(
            "expected fractions from 0 up to 1, or files, to validate and to test on, got "
            f"{shares[0]:g} and {shares[1]:g}."
        )
    opened = open_source(
        source, labels=labels, options=options, validation=shares[0], test=shares[1], seed=seed
    )
    splits = split(opened, shares[0], shares[1], seed)

    def further(path: str | Path) -> Part:
        like = open_like(opened, path, options=options)
        return Part(like.x, torch.arange(len(like.x)), like.labels)

    if not isinstance(validation, int | float):
        splits = replace(splits, validation=further(validation))
    if not isinstance(test, int | float):
        splits = replace(splits, test=further(test))
    if len(splits.validation) < 1:
        raise ValueError(f"expected data to validate on, got none in {opened.name}.")
    if binarise == "none":
        return splits
    low, high = grey_range(opened.x)
    if low < 0:
        raise ValueError(
            f"expected grey values of at least zero to binarise, got {low:g} in {opened.name}."
        )
    return splits.binarised(binarise, high, seed)
