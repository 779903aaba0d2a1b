"""Checks for all sources, which name the first problem."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from priory import arrays
from priory.blockwise import blocks
from priory.suggestions import exact, short

MOST_LABELS = 1000


@contextmanager
def readable(what: str, whose: str, advice: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn any error from a reader about a damaged file into one sentence."""
    try:
        yield
    except errors as error:
        raise ValueError(
            f"expected {what}, got a file that is truncated or not in {whose} format{advice}."
        ) from error


def check_alike(x: Tensor, other: Tensor, where: str | Path, which: str) -> None:
    """Refuse data with a different dtype or shape from the training data."""
    if x.shape[1:] != other.shape[1:] or x.dtype != other.dtype:
        raise ValueError(
            f"expected data of the same kind in {where}, got {x.dtype} of shape "
            f"{tuple(x.shape[1:])} for training and {other.dtype} of shape "
            f"{tuple(other.shape[1:])} {which}."
        )


def existing_file(path: str | Path) -> Path:
    """Return the path of a file that exists, is not a directory and is not empty."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected data at {path}, found no such file.")
    if not path.is_file():
        raise ValueError(f"expected a file at {path}, got a directory.")
    if path.stat().st_size == 0:
        raise ValueError(f"expected data in {path}, got an empty file.")
    return path


def as_tensor(array: NDArray[Any], where: str | Path) -> Tensor:
    """Return a tensor that shares the memory of an array of numbers, on disk or not."""
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise ValueError(
            f"expected a numeric array in {where}, got values of type {short(array.dtype)}."
        )
    try:
        return arrays.as_tensor(array)
    except ValueError as error:  # whole numbers beyond signed 64 bits
        raise ValueError(f"{str(error)[:-1]} (in {where}).") from error


def check_data(x: Tensor, where: str | Path, least: int = 2) -> Tensor:
    """Return the data, `(N, *data_shape)`, after checking their number and that all are finite.

    Data on disk are read in chunks.
    """
    if x.dim() < 2 or x.is_complex() or x.layout != torch.strided:
        raise ValueError(
            f"expected a numeric array of shape (N, ...) in {where}, "
            f"got {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}."
        )
    if len(x) < least or x.numel() == 0:
        raise ValueError(
            f"expected at least {least} examples, with at least one value each, in {where}, got "
            f"{len(x)} of shape {tuple(x.shape[1:])}."
        )
    if not x.is_floating_point():
        return x
    for rows in blocks(len(x), x[0].numel()):
        chunk = x[rows]
        if not chunk.isfinite().all():
            row, *position = (~chunk.isfinite()).nonzero()[0].tolist()
            raise ValueError(
                f"expected finite values in {where}, got {chunk[(row, *position)]:g} in example "
                f"{rows.start + row} at {position}; remove or fill in such values first."
            )
    return x


def check_labels(labels: Tensor, num_data: int, where: str | Path) -> Int64[Tensor, " N"]:
    """Return labels as whole numbers, after checking that there is one per example."""
    if labels.dim() != 1 or len(labels) != num_data:
        raise ValueError(
            f"expected one label for each of {num_data} examples in {where}, got labels of shape "
            f"{tuple(labels.shape)}."
        )
    if labels.is_complex() or labels.layout != torch.strided:
        raise ValueError(f"expected whole numbers for labels in {where}, got {labels.dtype}.")
    bad = ((labels < 0) | (labels != labels.long())).nonzero()
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"expected whole numbers from 0 for labels in {where}, got "
            f"{exact(arrays.to_numpy(labels[row])[()])} for example {row}."
        )
    return labels.long()


def named_labels(
    labels: Int64[Tensor, " N"], where: str | Path
) -> tuple[Int64[Tensor, " N"], tuple[str, ...]]:
    """Return labels as positions among the distinct ones, and the names of those: their numbers.

    Raises:
        ValueError: If there are too many.
    """
    values, positions = labels.unique(return_inverse=True)
    if len(values) > MOST_LABELS:
        raise ValueError(
            f"expected at most {MOST_LABELS} different labels in {where}, got {len(values)}; leave "
            "them out if they are not labels."
        )
    return positions, tuple(map(str, values.tolist()))
