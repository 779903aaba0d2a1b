"""Is the tail of importance weights too heavy to trust their mean?"""

import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array, as_points, to_numpy
from priory.distributions import working_dtype
from priory.extras import needs

HEAVY = 0.7
"""Above this tail shape, a mean of importance weights converges too slowly to be trusted."""

FEWEST = 25
"""With fewer samples, the tail has too few weights to fit."""

EQUAL = 1e-4
"""Log-weights with a smaller range than this, in nats, differ only by rounding."""


def pareto_k(log_weights: Float[Tensor, "S M"] | Array) -> Float[Tensor, " M"]:
    r"""Estimate the shape k of a generalised Pareto distribution of the largest weights.

    Weights have moments below the order $1/k$: a finite variance below $k = 1/2$, a finite mean
    below one. Their mean is reliable up to about 0.7. A column of equal weights has no tail, and
    $k = -\infty$. This is ArviZ's estimate, one column at a time, at about a millisecond each.

    Args:
        log_weights: The logarithms of S importance weights for each of M examples, in nats.

    Raises:
        ImportError: If ArviZ is not installed.
        ValueError: If there are fewer than 25 samples.

    Reference:
        Vehtari et al., *Pareto Smoothed Importance Sampling*, Journal of Machine Learning Research
        25, 2024, section 3.

    Examples:
        >>> import torch
        >>> from priory.evaluation import pareto_k
        >>> pareto_k(torch.zeros(50, 2))
        tensor([-inf, -inf], dtype=torch.float64)
    """
    log_weights = as_points(log_weights)
    if len(log_weights) < FEWEST:
        raise ValueError(
            f"expected at least {FEWEST} samples to fit a tail, got {len(log_weights)}."
        )
    weights = to_numpy(log_weights).astype(np.float64)
    k = np.full(weights.shape[1:], -np.inf)
    uneven = weights.max(0) - weights.min(0) > EQUAL
    if uneven.any():
        with needs("measure"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ArviZ prints a notice
            import arviz
        k[uneven] = arviz.psislw(weights[:, uneven].T)[1]
    single = working_dtype(log_weights.device) == torch.float32
    return torch.from_numpy(k.astype(np.float32) if single else k)
