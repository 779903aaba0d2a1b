"""What decoders of counts share: their means, and the exposure of an example."""

from abc import ABC
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from priory.arguments import one_of
from priory.distributions.mixture.blocks import widened
from priory.likelihoods.typical_counts import TypicalCounts, log_typical_counts
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.context import Context, checked_exposure, given, given_batches
from priory.networks.head import Head

Exposure = Literal["total", "given"]


class CountDecoder(Head, ABC):
    """A decoder of counts, with means from a network.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`.
        typical_counts: The counts m at f = 0: one number or nested lists.
        exposure: How the exposure of an example enters its means: `"total"`, `"given"` or None.
        exposures: Exposures to draw from, in ascending order: those of all training examples, or
            one list per batch. Without an exposure in the context, means are those at the median.

    Raises:
        ValueError: If a typical count or an exposure is not a finite number above zero.
    """

    log_typical: Tensor
    exposure_quantiles: Tensor

    def __init__(
        self,
        network: nn.Module,
        typical_counts: TypicalCounts = 1.0,
        exposure: Exposure | None = None,
        exposures: Sequence[Any] = (),
    ) -> None:
        super().__init__(network)
        if exposure is not None:
            one_of(("total", "given"), exposure=exposure)
        self.typical_counts = typical_counts
        self.exposure = exposure
        self.exposures = exposures
        add_constant(self, "log_typical", in_two_parts(log_typical_counts(typical_counts)))
        if exposure is not None:
            quantiles = np.asarray(exposures or [1.0], np.float64)
            if not ((quantiles > 0) & np.isfinite(quantiles)).all():
                raise ValueError("expected exposures that are finite and above zero.")
            values = torch.as_tensor(np.atleast_2d(quantiles), dtype=torch.get_default_dtype())
            add_constant(self, "exposure_quantiles", values)

    def log_means(self, z: Tensor, context: Context | None) -> tuple[Tensor, torch.dtype]:
        """Return the logarithms of the means, `(*batch, *data_shape)`, and the network's dtype."""
        out = self.outputs(z, context)
        log_rate = widened(self.log_typical).sum(0) + widened(out)
        if self.exposure is None:
            return log_rate, out.dtype
        data = log_rate.dim() - z.dim() + 1
        exposure = given(context).exposure
        if exposure is None:
            exposure = self.typical_exposures(z.shape[-2] if z.dim() > 1 else 1, context)
        log_exposure = widened(checked_exposure(exposure).to(z.device)).log()
        log_exposure = log_exposure.reshape(-1, *[1] * data) if z.dim() > 1 else log_exposure[0]
        if self.exposure == "given":
            log_exposure = log_exposure - widened(self.exposure_quantiles).mean().log()
            return log_rate + log_exposure, out.dtype
        log_sum = log_rate.flatten(-data).logsumexp(-1)
        return log_rate - log_sum.reshape(*log_sum.shape, *[1] * data) + log_exposure, out.dtype

    def draw_exposures(self, count: int, context: Context | None = None) -> Float[Tensor, " M"]:
        """Draw exposures from those of the training data, by batch if there are batches."""
        rows, most = self._rows(count, context), self.exposure_quantiles.shape[1] - 1
        at = torch.rand(count, device=rows.device) * most
        low = at.floor().clamp(max=max(most - 1, 0))
        high = (low + 1).clamp(max=most)
        return self.exposure_quantiles[rows, low.long()].lerp(
            self.exposure_quantiles[rows, high.long()], at - low
        )

    def typical_exposures(self, count: int, context: Context | None = None) -> Float[Tensor, " M"]:
        """Return the median exposure for each point, of its batch if there are batches."""
        return self.exposure_quantiles.median(1).values[self._rows(count, context)]

    def _rows(self, count: int, context: Context | None) -> Tensor:
        if len(self.exposure_quantiles) == 1:
            return torch.zeros(count, dtype=torch.long, device=self.exposure_quantiles.device)
        return given_batches(context, len(self.exposure_quantiles)).to(
            self.exposure_quantiles.device
        )
