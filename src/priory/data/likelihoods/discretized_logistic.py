"""Grey levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.observed import Observed
from priory.networks import DiscretizedLogisticDecoder
from priory.networks.location_scale import pixel_shape

LEVELS = 256


@dataclass(frozen=True)
class DiscretizedLogisticLikelihood(Likelihood):
    """Levels 0 to V − 1 with an order, from a logistic in bins.

    Attributes:
        num_values: The number of levels V.
        scale: Of the decoder: `"shared"`, `"network"` or a fixed number in levels.
        min_scale: The floor of a learned scale, as a fraction of half the range.

    """

    name: ClassVar[str] = "discretized-logistic"
    advice: ClassVar[str] = (
        "bring the data to whole levels (for values between 0 and 1, round 255 times them), or "
        "choose gaussian"
    )

    num_values: int
    scale: float | Literal["shared", "network"] = "shared"
    min_scale: float = 1e-3

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to V − 1."""
        return (0.0, float(self.num_values - 1))

    @property
    def support(self) -> str:
        """The levels, in words."""
        return f"whole numbers from 0 to {self.num_values - 1}"

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """A location, with a scale beside it where the network gives one."""
        return pixel_shape(self.scale)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from 0 to V − 1."""
        return whole_from_zero(x, self.num_values)

    def make_decoder(
        self, network: nn.Module, data_shape: Sequence[int]
    ) -> DiscretizedLogisticDecoder:
        """Return a `DiscretizedLogisticDecoder`."""
        return DiscretizedLogisticDecoder(network, self.num_values, self.scale, self.min_scale)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Whole numbers up to 255 that are too many for a categorical likelihood are levels."""
        if seen.num_values is not None:
            return f"{seen.num_values} values, as asked"
        if seen.counts and seen.high < LEVELS:
            return (
                f"whole numbers from 0 to {int(seen.high)}, taken as {LEVELS} grey levels; "
                "for counts ask for negative-binomial"
            )
        return None

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood of as many levels as were asked for, or 256."""
        return cls(why, LEVELS if seen.num_values is None else seen.num_values)
