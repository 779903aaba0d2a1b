"""The initial means of a decoder of counts."""

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
"""One number above zero, or a nested list with one per dimension."""

MIN_DISPERSION = 1e-4
NUM_QUANTILES = 101


def mean_counts(observed: Observed) -> list[Any]:
    """Return the mean of each dimension, as nested lists.

    A dimension without any counts gets the mean of a single count.
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
    """Return equally spaced quantiles of the exposures of examples, for each batch.

    Return None if there is nothing to scale means by: no exposures are requested, an example is a
    single count, or there are examples without counts and no explicit request.

    Raises:
        ValueError: If an exposure is not a finite number above zero.
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
            "expected exposures (by default the total count of an example) above zero, got "
            f"{exposure[place]:g} for example {place}; leave out such examples, as "
            "scanpy.pp.filter_cells(adata, min_counts=1) does, or use exposure none."
        )
    steps = np.linspace(0, 1, NUM_QUANTILES)
    num_batches = 1 if batch_label is None else int(batch_label.max()) + 1
    within = [
        exposure if batch_label is None else exposure[batch_label == n] for n in range(num_batches)
    ]
    of_each = [part if len(part) else exposure for part in within]  # for a batch without examples
    return [np.quantile(part.numpy(), steps).tolist() for part in of_each]


@dataclass(frozen=True)
class CountLikelihood(Likelihood):
    """A likelihood for counts.

    Attributes:
        high: The largest count in the data; other data may be larger.
        typical_counts: The mean of each dimension, the decoder's initial mean.
        exposure: The exposure of an example: its `"total"`, one that is `"given"`, or None.
        exposures: Quantiles of the observed exposures, for each batch.
    """

    advice: ClassVar[str] = "give the raw counts, or choose gaussian"
    support: ClassVar[str] = "whole numbers from 0 upwards"

    high: float
    typical_counts: float | list[Any] = field(repr=False)
    exposure: Literal["total", "given"] | None = None
    exposures: list[list[float]] = field(default_factory=list, repr=False)

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to the largest count observed."""
        return (0.0, self.high)

    @property
    def transform(self) -> TransformName:
        """The logarithm, of shares if z describes the shares of a vector of counts."""
        counts = self.typical_counts
        of_vectors = isinstance(counts, list) and not isinstance(counts[0], list)
        return "log1p-of-shares" if self.exposure == "total" and of_vectors else "log1p"

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from zero upwards."""
        return whole_from_zero(x)

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the largest and the mean counts, and the exposures."""
        facts = (why, max(1.0, observed.high), mean_counts(observed))
        if (exposures := exposures_of(observed)) is None:
            return cls(*facts)
        kind: Any = "given" if isinstance(observed.exposure, Tensor) else "total"
        return cls(*facts, exposure=kind, exposures=exposures)
