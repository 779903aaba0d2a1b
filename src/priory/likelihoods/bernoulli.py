"""Zeros and ones."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution

from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import Likelihood, Observed, whole_from_zero
from priory.networks.context import Context
from priory.networks.head import Head


class BernoulliDecoder(Head):
    r"""Values 0 and 1, independent given z, with probabilities from a network.

    $$p(x \mid z) = \prod_d \mathrm{Bern}(x_d \mid \mathrm{sigmoid}(f_d(z)))$$

    Args:
        network: A module from z, `(*batch, L)`, to logits, `(*batch, *data_shape)`.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import BernoulliDecoder
        >>> decoder = BernoulliDecoder(MLP((2,), (28, 28)))
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.ones(5, 28, 28)).shape
        torch.Size([5])
    """

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        logits = self.outputs(z, context)
        return Independent(Bernoulli(logits=logits), logits.dim() - z.dim() + 1)


@dataclass(frozen=True)
class BernoulliLikelihood(Likelihood):
    """Values 0 and 1, each with its own probability."""

    name: ClassVar[str] = "bernoulli"
    decoder: ClassVar[type[nn.Module]] = BernoulliDecoder
    advice: ClassVar[str] = (
        "binarise the data, static or dynamic, or choose discretized-logistic for grey levels that "
        "are whole numbers, or gaussian for any"
    )
    data_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    support: ClassVar[str] = "only zeros and ones"

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are 0 or 1."""
        return whole_from_zero(x, 2)

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Suit data with only zeros and ones, unless more values were announced."""
        bits = observed.counts and observed.high <= 1 and observed.num_values is None
        return "only zeros and ones" if bits else None

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood, which does not depend on the data."""
        return cls(why)
