"""What likelihoods of counts take from data."""

from typing import Any

import torch

from priory.data.likelihoods.blocks import blocks
from priory.data.likelihoods.observed import Observed


def mean_counts(seen: Observed) -> list[Any]:
    """Return the mean of each dimension, as nested lists.

    A dimension in which nothing was counted gets what a single count would give.
    """
    total = torch.zeros(seen.x.shape[1:], dtype=torch.float64, device=seen.x.device)
    for _, part in blocks(seen.x):
        total += part.sum(0, dtype=torch.float64)
    mean: list[Any] = (total.clamp(min=1) / len(seen.x)).tolist()
    return mean
