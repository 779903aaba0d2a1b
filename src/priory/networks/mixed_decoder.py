"""The likelihood of tables whose columns are of several kinds."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, OneHotCategorical

from priory.distributions import MixedColumns
from priory.networks.context import Context

Spans = Sequence[Sequence[Any]]
"""Blocks of columns, side by side: `(kind, start, stop)` of each, in order."""


def _numeric(out: Tensor, scales: Iterator[Tensor]) -> Distribution:
    return Independent(Normal(out, next(scales)), 1)


def _categorical(out: Tensor, scales: Iterator[Tensor]) -> Distribution:
    return OneHotCategorical(logits=out)


KINDS: dict[str, Callable[[Tensor, Iterator[Tensor]], Distribution]] = {
    "numeric": _numeric,
    "categorical": _categorical,
}


class MixedDecoder(nn.Module):
    r"""Columns of several kinds, independent given z.

    $$p(x \mid z) = \prod_{d\ \mathrm{numeric}} \mathcal{N}(x_d \mid f_d(z), \sigma_d^2)
    \prod_{j\ \mathrm{categorical}} \mathrm{Cat}(x_{[j]} \mid \mathrm{softmax}(f_{[j]}(z)))$$

    Numeric columns are expected to be standardised; each has a learned standard deviation
    $\sigma_d = m + e^{t_d}$ with the floor m. A categorical column with V values is a block of V
    columns of which one is 1 and the others 0.

    Args:
        network: A module from z, `(*batch, L)`, to `(*batch, D)`: means and logits.
        spans: `(kind, start, stop)` of each block of columns, side by side from 0 to D; the kind is
            `"numeric"` or `"categorical"`.
        min_scale: The floor m of the standard deviations.

    Raises:
        ValueError: If the spans do not stand side by side, a kind is unknown, or `min_scale` is
            below zero.

    Reference:
        Xu et al., *Modeling Tabular Data using Conditional GAN*, NeurIPS 2019, section 5 (TVAE),
        there with several modes for a numeric column.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, MixedDecoder
        >>> decoder = MixedDecoder(MLP((2,), (5,)), [("numeric", 0, 2), ("categorical", 2, 5)])
        >>> decoder(torch.zeros(1, 2)).sample()[:, 2:].sum().item()
        1.0

    """

    def __init__(self, network: nn.Module, spans: Spans, min_scale: float = 1e-3) -> None:
        super().__init__()
        self.network = network
        self.spans = checked_spans(spans)
        self.min_scale = min_scale
        if not min_scale >= 0:
            raise ValueError(f"expected min_scale of zero or more, got {min_scale}.")
        self._numeric_sizes = [
            stop - start for kind, start, stop in self.spans if kind == "numeric"
        ]
        self.log_scale = nn.Parameter(torch.zeros(sum(self._numeric_sizes)))

    def forward(self, z: Tensor, context: Context | None = None) -> MixedColumns:
        """Return p(x|z) with batch shape `(*batch,)` and event shape `(D,)`."""
        out: Tensor = self.network(z)
        scales = iter((self.log_scale.exp() + self.min_scale).split(self._numeric_sizes))
        return MixedColumns(
            [KINDS[kind](out[..., start:stop], scales) for kind, start, stop in self.spans]
        )


def checked_spans(spans: Spans) -> tuple[tuple[str, int, int], ...]:
    """Return spans as tuples.

    Raises:
        ValueError: If they do not stand side by side from 0 on, or a kind is unknown.

    """
    checked = tuple((str(kind), int(start), int(stop)) for kind, start, stop in spans)
    end = 0
    for kind, start, stop in checked:
        if kind not in KINDS or start != end or stop <= start:
            raise ValueError(
                f"expected spans ({' or '.join(KINDS)}, start, stop) side by side from column 0, "
                f"got {(kind, start, stop)} behind column {end}."
            )
        end = stop
    if not checked:
        raise ValueError("expected at least one span of columns, got none.")
    return checked
