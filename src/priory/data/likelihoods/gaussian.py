"""Real values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood
from priory.data.likelihoods.observed import Observed
from priory.networks import GaussianDecoder
from priory.networks.location_scale import pixel_shape


@dataclass(frozen=True)
class GaussianLikelihood(Likelihood):
    """Real values around a mean.

    Attributes:
        low: The smallest value seen; other data may lie below it.
        high: The largest value seen; other data may lie above it.
        scale: Of the decoder: `"shared"`, `"network"` or a fixed number in units of the data.
        min_scale: The floor of a learned scale, as a fraction of half the range.

    """

    name: ClassVar[str] = "gaussian"
    advice: ClassVar[str] = "remove or fill in such values first"
    support: ClassVar[str] = "finite values"

    low: float
    high: float
    scale: float | Literal["shared", "network"] = "shared"
    min_scale: float = 1e-3

    @property
    def data_range(self) -> tuple[float, float]:
        """From the smallest to the largest value seen."""
        return (self.low, self.high)

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """A mean, with a scale beside it where the network gives one."""
        return pixel_shape(self.scale)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are finite."""
        return x.isfinite()

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> GaussianDecoder:
        """Return a `GaussianDecoder`."""
        return GaussianDecoder(network, self.scale, self.data_range, self.min_scale)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Whatever is not whole, or below zero, is Gaussian."""
        if seen.counts:
            return None
        kind = "whole numbers" if seen.whole else "numbers that are not all whole"
        return f"{kind} from {seen.low:g} to {seen.high:g}"

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood with the range seen, widened by one on each side if it is empty."""
        margin = 0.0 if seen.low < seen.high else 1.0
        return cls(why, seen.low - margin, seen.high + margin)
