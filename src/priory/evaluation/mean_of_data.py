"""Means over data of Monte Carlo estimates."""

import math

from jaxtyping import Float
from torch import Tensor

from priory.distributions import widened
from priory.evaluation.cross_entropy import Estimate


def monte_carlo_mean(values: Float[Tensor, "S N"]) -> Estimate:
    r"""Return the mean over data of the means over samples, with its Monte Carlo standard error.

    The data are what they are, and the samples the only noise: the error is
    $\frac{1}{N} \sqrt{\sum_n s_n^2 / S}$ with the variance $s_n^2$ over the samples of a datum.
    With one sample for each, it is the standard error over all of them, which holds the differences
    between data too, and is too large.

    Args:
        values: S values for each of N data.

    Examples:
        >>> import torch
        >>> from priory.evaluation.mean_of_data import monte_carlo_mean
        >>> print(monte_carlo_mean(torch.tensor([[1.0, 5.0], [1.0, 5.0]])))
        3.000 ± 0.000

    """
    values = widened(values)
    samples, data = values.shape
    if samples > 1:
        error = math.sqrt(float(values.var(0).sum()) / samples) / data
    else:
        error = float(values.std()) / math.sqrt(data) if data > 1 else math.nan
    return Estimate(float(values.mean()), error)
