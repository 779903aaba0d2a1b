"""Counts that vary more than a Poisson does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arguments import above_zero
from priory.distributions import LogMeanNegativeBinomial
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import GREY_LEVELS, Observed
from priory.likelihoods.typical_counts import (
    MIN_DISPERSION,
    CountLikelihood,
    TypicalCounts,
    log_typical_counts,
)
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.context import Context, Head
from priory.networks.mlp import check_sizes


class NegativeBinomialDecoder(Head):
    r"""Counts 0, 1, 2, ..., that vary more than a Poisson does, with means from a network.

    $$p(x \mid z) = \prod_d \frac{\Gamma(x_d + \theta_d)}{\Gamma(\theta_d)\, x_d!}
    \Big(\frac{\theta_d}{\theta_d + \mu_d}\Big)^{\theta_d}
    \Big(\frac{\mu_d}{\theta_d + \mu_d}\Big)^{x_d}, \qquad \mu_d = m_d\, e^{f_d(z)}$$

    The mean is μ and the variance $\mu + \mu^2 / \theta$. The inverse dispersion θ is learned, one
    for each dimension of the data, as $1 / \theta_d = e^{t_d} + r$ with the floor r, which at means
    well below 1/r is all but a Poisson.

    There is no factor for the exposure of an example (the depth at which a cell was sequenced, the
    length of a document): where it varies, z has to say so.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        data_shape: The shape of one example.
        typical_counts: The counts m at f = 0, where an untrained network starts: the mean of the
            data, one number or a nested list with one for each dimension.
        min_dispersion: The floor r of 1/θ.

    Raises:
        ValueError: If a size is below one, or a typical count or the floor is not a finite number
            above zero.

    Reference:
        Lopez et al., *Deep generative modeling for single-cell transcriptomics*, 2018 (scVI), whose
        mean and inverse dispersion these are, there with zero inflation and a library size.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import NegativeBinomialDecoder
        >>> decoder = NegativeBinomialDecoder(MLP((2,), (3,)), (3,), typical_counts=[0.5, 20, 1000])
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.tensor([0.0, 18, 1100])).shape
        torch.Size([5])
    """

    log_typical: Tensor

    def __init__(
        self,
        network: nn.Module,
        data_shape: Sequence[int],
        typical_counts: TypicalCounts = 1.0,
        min_dispersion: float = MIN_DISPERSION,
    ) -> None:
        super().__init__(network)
        self.data_shape = tuple(data_shape)
        self.typical_counts = typical_counts
        self.min_dispersion = min_dispersion
        check_sizes(data_shape=self.data_shape)
        above_zero(min_dispersion=min_dispersion)
        add_constant(self, "log_typical", in_two_parts(log_typical_counts(typical_counts)))
        self.log_dispersion = nn.Parameter(torch.zeros(self.data_shape))

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        out = self.outputs(z, context)
        log_mean = widened(self.log_typical).sum(0) + widened(out)
        dispersion = widened(self.log_dispersion).exp() + self.min_dispersion
        counts = LogMeanNegativeBinomial(log_mean, dispersion, out.dtype)
        return Independent(counts, log_mean.dim() - z.dim() + 1)


@dataclass(frozen=True)
class NegativeBinomialLikelihood(CountLikelihood):
    """Counts whose variance, given z, is above their mean.

    Attributes:
        min_dispersion: The floor of the dispersion.
    """

    name: ClassVar[str] = "negative-binomial"
    decoder: ClassVar[type[nn.Module]] = NegativeBinomialDecoder
    min_dispersion: float = 1e-4

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Whole numbers too large for grey levels are counts, and so is what was given as such."""
        if observed.only_counts:
            return f"{observed.x.shape[-1]} columns of counts"
        if observed.counts and observed.high >= GREY_LEVELS:
            return f"whole numbers from 0 to {observed.high:.0f}, taken as counts"
        return None
