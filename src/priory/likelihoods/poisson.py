"""Counts that vary as a Poisson does."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import LogMeanPoisson
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import Observed
from priory.likelihoods.typical_counts import CountLikelihood, TypicalCounts, log_typical_counts
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.context import Context, Head


class PoissonDecoder(Head):
    r"""Counts 0, 1, 2, ..., independent given z, with means from a network.

    $$p(x \mid z) = \prod_d \mathrm{Poisson}(x_d \mid \mu_d), \qquad \mu_d = m_d\, e^{f_d(z)}$$

    There is no factor for the exposure of an example (the depth at which a cell was sequenced, the
    length of a document): where it varies, z has to say so.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        typical_counts: The counts m at f = 0, where an untrained network starts: the mean of the
            data, one number or a nested list with one for each dimension.

    Raises:
        ValueError: If a typical count is not a finite number above zero.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import PoissonDecoder
        >>> decoder = PoissonDecoder(MLP((2,), (3,)), typical_counts=[0.5, 20, 1000])
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.tensor([0.0, 18, 1100])).shape
        torch.Size([5])
    """

    log_typical: Tensor

    def __init__(self, network: nn.Module, typical_counts: TypicalCounts = 1.0) -> None:
        super().__init__(network)
        self.typical_counts = typical_counts
        add_constant(self, "log_typical", in_two_parts(log_typical_counts(typical_counts)))

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        out = self.outputs(z, context)
        log_mean = widened(self.log_typical).sum(0) + widened(out)
        return Independent(LogMeanPoisson(log_mean, out.dtype), log_mean.dim() - z.dim() + 1)


@dataclass(frozen=True)
class PoissonLikelihood(CountLikelihood):
    """Counts whose variance, given z, is their mean."""

    name: ClassVar[str] = "poisson"
    decoder: ClassVar[type[nn.Module]] = PoissonDecoder

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """None: counts mostly vary more than a Poisson does, so it is there on request."""
        return None
