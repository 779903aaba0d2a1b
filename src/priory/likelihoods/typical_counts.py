"""The counts at which a decoder of counts starts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from priory.likelihoods.base import (
    Likelihood,
    Observed,
    float_blocks,
    totals,
    whole_from_zero,
)
from priory.networks.gaussian_encoder import TransformName

TypicalCounts = float | Sequence[Any]
"""One number above zero, or a nested list with one for each dimension."""

MIN_DISPERSION = 1e-4
NUM_QUANTILES = 101


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


def exposures_of(observed: Observed) -> list[list[float]] | None:
    """Return quantiles of the exposures of examples, at equal steps, for each batch.

    None where there is nothing to scale means by: none are asked for, an example is one count
    alone, or there are examples without counts and nothing was asked for.

    Raises:
        ValueError: If one is not a finite number above zero.
    """
    exposure, batch_label = observed.exposure, observed.batch_label
    if (isinstance(exposure, str) and exposure == "none") or observed.x[0].numel() < 2:
        return None
    exposure = exposure.double() if isinstance(exposure, Tensor) else totals(observed.x)
    bad = ~((exposure > 0) & exposure.isfinite())
    if bad.any():
        if observed.exposure is None:
            return None
        place = int(bad.nonzero()[0])
        raise ValueError(
            f"expected exposures (by default the total count of an example) above zero, got "
            f"{exposure[place]:g} for example {place}; leave such examples out, as "
            "scanpy.pp.filter_cells(adata, min_counts=1) does, or take exposure none."
        )
    steps = np.linspace(0, 1, NUM_QUANTILES)
    num_batches = 1 if batch_label is None else int(batch_label.max()) + 1
    within = [
        exposure if batch_label is None else exposure[batch_label == n] for n in range(num_batches)
    ]
    of_each = [part if len(part) else exposure for part in within]  # of a batch without examples
    return [np.quantile(part.numpy(), steps).tolist() for part in of_each]


@dataclass(frozen=True)
class CountLikelihood(Likelihood):
    """A likelihood of counts.

    Attributes:
        high: The largest count seen; other data may lie above it.
        typical_counts: The mean of each dimension, at which the decoder starts.
        exposure: What stands for the exposure of an example: its `"total"`, one that is `"given"`,
            or None.
        exposures: Quantiles of those seen, for each batch.
    """

    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    transform: ClassVar[TransformName] = "log1p"
    support: ClassVar[str] = "whole numbers from 0 on"

    high: float
    typical_counts: float | list[Any] = field(repr=False)
    exposure: Literal["total", "given"] | None = None
    exposures: list[list[float]] = field(default_factory=list, repr=False)

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count observed."""
        return (0.0, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero on."""
        return whole_from_zero(x)

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts, and the exposures."""
        facts = (why, max(1.0, observed.high), mean_counts(observed))
        if (exposures := exposures_of(observed)) is None:
            return cls(*facts)
        kind: Any = "given" if isinstance(observed.exposure, Tensor) else "total"
        return cls(*facts, exposure=kind, exposures=exposures)
