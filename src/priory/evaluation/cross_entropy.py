"""How well does a prior cover the aggregated posterior?"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from priory.arrays import Array, as_points
from priory.blockwise import blocks
from priory.distributions import widened
from priory.processes import Processes


@dataclass(frozen=True)
class Estimate:
    """A mean over data, in nats.

    Attributes:
        value: The mean.
        standard_error: Its standard error over data; NaN for a single example.
    """

    value: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.standard_error:.3f}"


@torch.no_grad()
def cross_entropy(
    prior: Distribution, z: Float[Tensor, "S N L"] | Array, processes: Processes | None = None
) -> Estimate:
    r"""Estimate the cross-entropy of a distribution over z under the aggregated posterior.

    $$E_{q(z)}[-\log p(z)] = \frac{1}{N} \sum_n E_{q(z \mid x_n)}[-\log p(z)]
    = KL(q(z) \| p(z)) + H(q(z))$$

    It is the part of the rate that depends on the prior. With q(z) itself as the prior it is the
    entropy of q(z), and no prior can be lower.

    Args:
        prior: The distribution p(z); with a batch shape `(N,)`, one per example.
        z: Samples of q(z|x), S for each of N examples.
        processes: Processes that each have samples of their own data; the mean is over all of them.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1.

    Examples:
        >>> import torch
        >>> from priory import StandardPrior
        >>> from priory.evaluation import cross_entropy
        >>> print(cross_entropy(StandardPrior(latent_dim=2)(), torch.zeros(10, 5, 2)))
        1.838 ± 0.000
    """
    z = as_points(z)
    if prior.batch_shape:
        per_example = -widened(prior.log_prob(z)).mean(0)
    else:
        points = z.flatten(0, 1)
        parts = [prior.log_prob(points[rows]) for rows in blocks(len(points))]
        per_example = -widened(torch.cat(parts)).unflatten(0, z.shape[:2]).mean(0)
    if processes is not None:
        per_example = processes.gather(per_example)
    error = (
        float(per_example.std()) / math.sqrt(len(per_example)) if len(per_example) > 1 else math.nan
    )
    return Estimate(float(per_example.mean()), error)
