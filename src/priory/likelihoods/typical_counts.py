"""The counts at which a decoder of counts starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from priory.likelihoods.base import Likelihood, Observed, float_blocks, whole_from_zero
from priory.networks.gaussian_encoder import TransformName

TypicalCounts = float | Sequence[Any]
"""One number above zero, or a nested list with one for each dimension."""

MIN_DISPERSION = 1e-4


def mean_counts(observed: Observed) -> list[Any]:
    """Return the mean of each dimension, as nested lists.

    A dimension in which nothing was counted gets what a single count would give.
    """
    x = observed.x
    total = torch.zeros(x.shape[1:], dtype=torch.float64, device=x.device)
    for _, part in float_blocks(x):
        total += part.sum(0, dtype=torch.float64)
    mean: list[Any] = (total.clamp(min=1) / len(x)).tolist()
    return mean


def log_typical_counts(counts: TypicalCounts) -> Float64[Tensor, "*data_shape"]:
    """Return the logarithms of typical counts, each of which is a finite number above zero."""
    values = np.asarray(counts, dtype=np.float64)
    if not ((values > 0) & np.isfinite(values)).all():
        raise ValueError("expected typical_counts that are finite and above zero.")
    return torch.as_tensor(np.log(values), dtype=torch.float64)


@dataclass(frozen=True)
class CountLikelihood(Likelihood):
    """A likelihood of counts.

    Attributes:
        high: The largest count seen; other data may lie above it.
        typical_counts: The mean of each dimension, at which the decoder starts.
    """

    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    transform: ClassVar[TransformName] = "log1p"
    support: ClassVar[str] = "whole numbers from 0 on"

    high: float
    typical_counts: float | list[Any] = field(repr=False)

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count observed."""
        return (0.0, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero on."""
        return whole_from_zero(x)

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts."""
        return cls(why, max(1.0, observed.high), mean_counts(observed))
