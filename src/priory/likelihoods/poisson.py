"""Counts that vary as a Poisson does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import LogMeanPoisson
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import Likelihood, Observed, whole_from_zero
from priory.likelihoods.typical_counts import TypicalCounts, log_typical_counts, mean_counts
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.context import Context, Head
from priory.networks.gaussian_encoder import TransformName


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
        log_typical = in_two_parts(log_typical_counts(typical_counts))
        add_constant(self, "log_typical", log_typical)

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        out = self.outputs(z, context)
        log_mean = widened(self.log_typical).sum(0) + widened(out)
        return Independent(LogMeanPoisson(log_mean, out.dtype), log_mean.dim() - z.dim() + 1)


@dataclass(frozen=True)
class PoissonLikelihood(Likelihood):
    """Counts whose variance, given z, is their mean.

    Attributes:
        high: The largest count seen; other data may lie above it.
        typical_counts: The mean of each dimension, at which the decoder starts.

    """

    name: ClassVar[str] = "poisson"
    decoder: ClassVar[type[nn.Module]] = PoissonDecoder
    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    transform: ClassVar[TransformName] = "log1p"
    support: ClassVar[str] = "whole numbers from 0 on"
    pixel_shape: ClassVar[tuple[int, ...]] = ()

    high: float
    typical_counts: float | list[Any] = field(repr=False)

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count observed."""
        return (0.0, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero on."""
        return whole_from_zero(x)

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> PoissonDecoder:
        """Return a `PoissonDecoder`."""
        return PoissonDecoder(network, self.typical_counts)

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """None: counts mostly vary more than a Poisson does, so it is there on request."""
        return None

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts."""
        return cls(why, max(1.0, observed.high), mean_counts(observed))
