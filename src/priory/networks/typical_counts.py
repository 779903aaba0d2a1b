"""The counts at which a decoder of counts starts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Counts = float | Sequence[Any]
"""One number above zero, or a nested list with one for each dimension."""


def log_typical_counts(counts: Counts) -> Tensor:
    """Return the logarithms of typical counts.

    Raises:
        ValueError: If one is not a finite number above zero.

    """
    values = torch.as_tensor(counts, dtype=torch.float64)
    if not ((values > 0) & values.isfinite()).all():
        raise ValueError("expected typical_counts that are finite and above zero.")
    return values.log().to(torch.get_default_dtype())
