"""A few values, each with a probability of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.observed import Observed
from priory.networks import CategoricalDecoder

MOST_VALUES = 256
MOST_BY_ITSELF = 64  # beyond, the network's output is most of the model


@dataclass(frozen=True)
class CategoricalLikelihood(Likelihood):
    """Values 0 to V − 1, each with a probability of its own.

    Attributes:
        num_values: The number of values V.

    """

    name: ClassVar[str] = "categorical"
    advice: ClassVar[str] = "round the data, or choose another likelihood"

    num_values: int

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to V − 1."""
        return (0.0, float(self.num_values - 1))

    @property
    def support(self) -> str:
        """The values, in words."""
        return f"whole numbers from 0 to {self.num_values - 1}"

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """One logit for each value."""
        return (self.num_values,)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from 0 to V − 1."""
        return whole_from_zero(x, self.num_values)

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> CategoricalDecoder:
        """Return a `CategoricalDecoder`."""
        return CategoricalDecoder(network)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Up to 64 whole numbers from zero on are categorical."""
        if seen.num_values is not None and seen.num_values <= MOST_BY_ITSELF:
            return f"{seen.num_values} values, as asked"
        few = seen.counts and seen.high < MOST_BY_ITSELF and seen.num_values is None
        return f"whole numbers from 0 to {max(1, int(seen.high))}" if few else None

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood of as many values as were asked for, or seen."""
        most = int(min(max(seen.high, 1), MOST_VALUES - 1))
        return cls(why, most + 1 if seen.num_values is None else seen.num_values)
