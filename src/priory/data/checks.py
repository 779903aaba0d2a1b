"""What every source is held to, with the first thing that is wrong named."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from priory import arrays
from priory.blockwise import blocks


def existing_file(path: str | Path) -> Path:
    """Return the path of a file that is there and not empty.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is a directory, or empty.

    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected data at {path}, found no such file.")
    if not path.is_file():
        raise ValueError(f"expected a file at {path}, got a directory.")
    if path.stat().st_size == 0:
        raise ValueError(f"expected data in {path}, got an empty file.")
    return path


def as_tensor(array: NDArray[Any], where: str | Path) -> Tensor:
    """Return the tensor that shares an array's memory, on disk or not, if torch knows its type.

    Raises:
        ValueError: If it holds no numbers.

    """
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise ValueError(f"expected a numeric array in {where}, got values of type {array.dtype}.")
    return arrays.as_tensor(array)


def check_data(x: Tensor, where: str | Path, least: int = 2) -> Tensor:
    """Return the data if they are enough, and finite; what lies on disk is read chunk by chunk.

    Args:
        x: Data, `(N, *data_shape)`.
        where: What to call them in an error.
        least: The fewest data.

    Raises:
        ValueError: If there are too few, or one holds NaN or an infinite value, which is named.

    """
    if x.dim() < 2 or x.is_complex() or x.layout != torch.strided:
        raise ValueError(
            f"expected a numeric array of shape (N, ...) in {where}, "
            f"got {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}."
        )
    if len(x) < least or x.numel() == 0:
        raise ValueError(
            f"expected at least {least} data, of one value or more each, in {where}, got "
            f"{len(x)} of shape {tuple(x.shape[1:])}."
        )
    if not x.is_floating_point():
        return x
    for rows in blocks(len(x), x[0].numel()):
        chunk = x[rows]
        if not chunk.isfinite().all():
            row, *position = (~chunk.isfinite()).nonzero()[0].tolist()
            raise ValueError(
                f"expected finite values in {where}, got {chunk[(row, *position)]:g} in datum "
                f"{rows.start + row} at {position}; remove or fill in such values first."
            )
    return x


def check_labels(labels: Tensor, num_data: int, where: str | Path) -> Int64[Tensor, " N"]:
    """Return labels as whole numbers, if there is one for each datum.

    Raises:
        ValueError: If there are more or fewer labels than data, or one is no whole number from 0.

    """
    if labels.dim() != 1 or len(labels) != num_data:
        raise ValueError(
            f"expected one label for each of {num_data} data in {where}, "
            f"got labels of shape {tuple(labels.shape)}."
        )
    if labels.is_complex() or labels.layout != torch.strided:
        raise ValueError(f"expected whole numbers for labels in {where}, got {labels.dtype}.")
    bad = ((labels < 0) | (labels != labels.long())).nonzero()
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"expected whole numbers from 0 for labels in {where}, got {labels[row].item():g} "
            f"for datum {row}."
        )
    return labels.long()
