"""The range of the data, which networks see as [-1, 1]."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

DataRange = Sequence[Any]
"""The smallest and the largest value a datum can take: two numbers, or two nested lists with one
number for each dimension."""

TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": torch.Tensor.clone,
    "log1p": torch.log1p,
}
"""What data may go through before they are mapped to [-1, 1]."""


def plain_range(data_range: DataRange) -> tuple[Any, Any]:
    """Return a range as two numbers or two nested lists, as a description of a model holds it."""
    low, high = (torch.as_tensor(bound, dtype=torch.float64).tolist() for bound in data_range)
    return low, high


def centre_and_half_width(data_range: DataRange, transform: str = "linear") -> list[Tensor]:
    """Return the middle of a transformed range and half its width.

    Raises:
        ValueError: If the range is empty or not finite anywhere, or the transform is unknown.

    Examples:
        >>> from priory.networks.data_range import centre_and_half_width
        >>> [t.tolist() for t in centre_and_half_width(([0, 10], [1, 20]))]
        [[0.5, 15.0], [0.5, 5.0]]

    """
    if transform not in TRANSFORMS:
        raise ValueError(f"expected transform {' or '.join(TRANSFORMS)}, got {transform!r}.")
    bounds = (torch.as_tensor(bound, dtype=torch.float64) for bound in data_range)
    low, high = map(TRANSFORMS[transform], bounds)
    if low.shape != high.shape or not (low < high).all() or not (high - low).isfinite().all():
        raise ValueError(
            "expected data_range=(low, high) with low < high, "
            f"got {', '.join(map(str, plain_range(data_range)))}."
        )
    dtype = torch.get_default_dtype()
    return [((low + high) / 2).to(dtype), ((high - low) / 2).to(dtype)]
