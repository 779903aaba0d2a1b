"""Zeros and ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.observed import Observed
from priory.networks import BernoulliDecoder


@dataclass(frozen=True)
class BernoulliLikelihood(Likelihood):
    """Values 0 and 1, each with a probability of its own."""

    name: ClassVar[str] = "bernoulli"
    advice: ClassVar[str] = (
        "binarise the data, static or dynamic, or choose discretized-logistic for grey levels that "
        "are whole numbers, or gaussian for any"
    )
    data_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    support: ClassVar[str] = "only zeros and ones"
    pixel_shape: ClassVar[tuple[int, ...]] = ()

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are 0 or 1."""
        return whole_from_zero(x, 2)

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> BernoulliDecoder:
        """Return a `BernoulliDecoder`."""
        return BernoulliDecoder(network)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Zeros and ones alone are Bernoulli, unless more values were announced."""
        bits = seen.counts and seen.high <= 1 and seen.num_values is None
        return "only zeros and ones" if bits else None

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood; it takes nothing from the data."""
        return cls(why)
