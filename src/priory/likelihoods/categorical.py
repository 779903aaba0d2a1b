"""A few values, each with its own probability."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import LogitsCategorical
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import LevelLikelihood, Likelihood, Observed
from priory.networks.context import Context
from priory.networks.head import Head

MOST_VALUES = 256
MOST_BY_ITSELF = 64  # beyond this, the network's output is most of the model


class CategoricalDecoder(Head):
    r"""Values $0, \dots, V-1$, independent given z, with probabilities from a network.

    $$p(x \mid z) = \prod_d \mathrm{Cat}(x_d \mid \mathrm{softmax}(f_d(z)))$$

    Args:
        network: A module from z, `(*batch, L)`, to logits, `(*batch, *data_shape, V)`.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import CategoricalDecoder
        >>> decoder = CategoricalDecoder(MLP((2,), (8, 8, 17)))
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.zeros(5, 8, 8)).shape
        torch.Size([5])
    """

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        logits = self.outputs(z, context)
        return Independent(LogitsCategorical(logits), logits.dim() - z.dim())


@dataclass(frozen=True)
class CategoricalLikelihood(LevelLikelihood):
    """Values 0 to V − 1, each with its own probability."""

    name: ClassVar[str] = "categorical"
    decoder: ClassVar[type[nn.Module]] = CategoricalDecoder
    advice: ClassVar[str] = "round the data, or choose another likelihood"

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """One logit per value."""
        return (self.num_values,)

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Up to 64 whole numbers from zero upwards are categorical."""
        if observed.num_values is not None and observed.num_values <= MOST_BY_ITSELF:
            return f"{observed.num_values} values, as requested"
        few = observed.counts and observed.high < MOST_BY_ITSELF and observed.num_values is None
        return f"whole numbers from 0 to {max(1, int(observed.high))}" if few else None

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the requested, or observed, number of values."""
        most = int(min(max(observed.high, 1), MOST_VALUES - 1))
        return cls(why, most + 1 if observed.num_values is None else observed.num_values)
