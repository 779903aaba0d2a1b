"""The smallest and the largest value that an example can take, overall or per dimension."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priory.suggestions import short

DataRange = Sequence[Any]
"""`(low, high)`: two numbers, or nested lists with the shape of an example."""


def checked_range(
    data_range: DataRange, data_shape: Sequence[int] | None = None
) -> tuple[Any, Any]:
    """Return the bounds, each a number or nested lists of numbers.

    Raises:
        ValueError: If the range is empty or not finite in a dimension, or the shape of a bound
            differs from `data_shape`, that of one example, if known.

    Examples:
        >>> from priory.networks.data_range import checked_range
        >>> checked_range((0, 16)), checked_range(([0, -1], [1, 1]), data_shape=(2,))
        ((0.0, 16.0), ([0.0, -1.0], [1.0, 1.0]))
    """
    try:
        low, high = (np.asarray(bound, dtype=np.float64) for bound in data_range)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "expected data_range=(low, high), two numbers or two nested lists of them, got "
            f"{short(str(data_range))}."
        ) from error
    if data_shape is None:  # that of the bound that is not a number
        data_shape = max(low.shape, high.shape, key=len)
    for bound in (low, high):
        if bound.shape not in ((), tuple(data_shape)):
            raise ValueError(
                "expected the bounds of data_range to be numbers or nested lists of the shape of "
                f"one example, {tuple(data_shape)}, got {low.shape} and {high.shape}."
            )
    bad = ~((low < high) & np.isfinite(high - low))
    if bad.any():
        where = f" at position {tuple(map(int, np.argwhere(bad)[0]))}" if bad.ndim else ""
        first = (float(np.broadcast_to(bound, bad.shape)[bad][0]) for bound in (low, high))
        raise ValueError(
            "expected data_range=(low, high) with low < high, both finite, got "
            f"{', '.join(map(str, first))}{where}."
        )
    return low.tolist(), high.tolist()


def range_tensors(data_range: DataRange) -> tuple[Tensor, Tensor]:
    """Return the bounds as tensors, with shape `()` or the shape of one example."""
    low, high = (torch.tensor(bound, dtype=torch.get_default_dtype()) for bound in data_range)
    return low, high
