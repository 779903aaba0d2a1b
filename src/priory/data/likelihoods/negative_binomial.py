"""Counts that vary more than a Poisson does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.counts import mean_counts
from priory.data.likelihoods.discretized_logistic import LEVELS
from priory.data.likelihoods.observed import Observed
from priory.networks import NegativeBinomialDecoder
from priory.networks.transforms import TransformName


@dataclass(frozen=True)
class NegativeBinomialLikelihood(Likelihood):
    """Counts whose variance, given z, is above their mean.

    Attributes:
        high: The largest count seen; other data may lie above it.
        typical_counts: The mean of each dimension, at which the decoder starts.
        min_dispersion: The floor of the dispersion.

    """

    name: ClassVar[str] = "negative-binomial"
    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    transform: ClassVar[TransformName] = "log1p"
    support: ClassVar[str] = "whole numbers from 0 on"
    pixel_shape: ClassVar[tuple[int, ...]] = ()

    high: float
    typical_counts: float | list[Any] = field(repr=False)
    min_dispersion: float = 1e-4

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count seen."""
        return (0.0, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero on."""
        return whole_from_zero(x)

    def make_decoder(
        self, network: nn.Module, data_shape: Sequence[int]
    ) -> NegativeBinomialDecoder:
        """Return a `NegativeBinomialDecoder`."""
        return NegativeBinomialDecoder(
            network, data_shape, self.typical_counts, self.min_dispersion
        )

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Whole numbers too large for grey levels are counts, and so is what was given as such."""
        if seen.only_counts:
            return f"{seen.x.shape[-1]} columns of counts"
        if seen.counts and seen.high >= LEVELS:
            return f"whole numbers from 0 to {seen.high:.0f}, taken as counts"
        return None

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts."""
        return cls(why, max(1.0, seen.high), mean_counts(seen))
