"""The counts at which a decoder of counts starts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from priory.likelihoods.base import Observed, float_blocks

TypicalCounts = float | Sequence[Any]
"""One number above zero, or a nested list with one for each dimension."""

MIN_DISPERSION = 1e-4


def mean_counts(observed: Observed) -> list[Any]:
    """Return the mean of each dimension, as nested lists.

    A dimension in which nothing was counted gets what a single count would give.
    """
    x = observed.x
    total = torch.zeros(x.shape[1:], dtype=torch.float64, device=x.device)
    for _, part in float_blocks(x):
        total += part.sum(0, dtype=torch.float64)
    mean: list[Any] = (total.clamp(min=1) / len(x)).tolist()
    return mean


def log_typical_counts(counts: TypicalCounts) -> Float64[Tensor, "*data_shape"]:
    """Return the logarithms of typical counts.

    Raises:
        ValueError: If one is not a finite number above zero.

    """
    values = np.asarray(counts, dtype=np.float64)
    if not ((values > 0) & np.isfinite(values)).all():
        raise ValueError("expected typical_counts that are finite and above zero.")
    return torch.as_tensor(np.log(values), dtype=torch.float64)
