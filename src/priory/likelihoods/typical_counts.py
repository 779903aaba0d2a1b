"""The counts at which a decoder of counts starts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import NegativeBinomial

from priory.likelihoods.base import Observed, blocks

TypicalCounts = float | Sequence[Any]
"""One number above zero, or a nested list with one for each dimension."""

MIN_DISPERSION = 1e-4


def mean_counts(observed: Observed) -> list[Any]:
    """Return the mean of each dimension, as nested lists.

    A dimension in which nothing was counted gets what a single count would give.
    """
    x = observed.x
    total = torch.zeros(x.shape[1:], dtype=torch.float64, device=x.device)
    for _, part in blocks(x):
        total += part.sum(0, dtype=torch.float64)
    mean: list[Any] = (total.clamp(min=1) / len(x)).tolist()
    return mean


def log_typical_counts(counts: TypicalCounts) -> Tensor:
    """Return the logarithms of typical counts.

    Raises:
        ValueError: If one is not a finite number above zero.

    """
    values = torch.as_tensor(counts, dtype=torch.float64)
    if not ((values > 0) & values.isfinite()).all():
        raise ValueError("expected typical_counts that are finite and above zero.")
    return values.log().to(torch.get_default_dtype())


def negative_binomial(log_mean: Tensor, dispersion: Tensor) -> NegativeBinomial:
    r"""Return the distribution with mean μ and variance $\mu + \mu^2 / \theta$.

    Args:
        log_mean: log μ.
        dispersion: 1/θ.

    """
    # torch counts successes before theta failures, at odds of mu / theta
    return NegativeBinomial(1 / dispersion, logits=log_mean + dispersion.log())
