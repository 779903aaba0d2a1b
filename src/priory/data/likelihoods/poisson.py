"""Counts that vary as a Poisson does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.counts import mean_counts
from priory.data.likelihoods.observed import Observed
from priory.networks import PoissonDecoder
from priory.networks.transforms import TransformName


@dataclass(frozen=True)
class PoissonLikelihood(Likelihood):
    """Counts whose variance, given z, is their mean.

    Attributes:
        high: The largest count seen; other data may lie above it.
        typical_counts: The mean of each dimension, at which the decoder starts.

    """

    name: ClassVar[str] = "poisson"
    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    transform: ClassVar[TransformName] = "log1p"
    support: ClassVar[str] = "whole numbers from 0 on"
    pixel_shape: ClassVar[tuple[int, ...]] = ()

    high: float
    typical_counts: float | list[Any] = field(repr=False)

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count seen."""
        return (0.0, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero on."""
        return whole_from_zero(x)

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> PoissonDecoder:
        """Return a `PoissonDecoder`."""
        return PoissonDecoder(network, self.typical_counts)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """None: counts mostly vary more than a Poisson does, so it is there on request."""
        return None

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts."""
        return cls(why, max(1.0, seen.high), mean_counts(seen))
