"""Tables with several kinds of columns."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, OneHotCategorical

from priory.arguments import at_least
from priory.distributions import LogMeanNegativeBinomial, MixedColumns
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Independent, without_argument_checks
from priory.likelihoods.base import Likelihood, Observed, Spans, float_blocks, whole_from_zero
from priory.likelihoods.typical_counts import (
    MIN_DISPERSION,
    TypicalCounts,
    log_typical_counts,
    mean_counts,
)
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.context import Context
from priory.networks.head import Head


def _one_hot(block: Tensor) -> Tensor:
    return whole_from_zero(block, 2) & (block.sum(-1, keepdim=True) == 1)


ALLOWED: dict[str, Callable[[Tensor], Tensor]] = {
    "numeric": torch.isfinite,
    "count": whole_from_zero,
    "categorical": _one_hot,
}


class MixedDecoder(Head):
    r"""Columns of several kinds, independent given z.

    $$p(x \mid z) = \prod_{d\ \mathrm{numeric}} \mathcal{N}(x_d \mid f_d(z), \sigma_d^2)
    \prod_{d\ \mathrm{count}} \mathrm{NB}(x_d \mid \mu_d, \theta_d)
    \prod_{j\ \mathrm{categorical}} \mathrm{Cat}(x_{[j]} \mid \mathrm{softmax}(f_{[j]}(z)))$$

    Numeric columns should be standardised; each has a learned standard deviation $\sigma_d = m +
    e^{t_d}$ with the lower limit m. A column of counts is negative binomial with mean $\mu_d =
    m_d\, e^{f_d(z)}$ and a learned dispersion $1 / \theta_d = 10^{-4} + e^{t_d}$. A categorical
    column with V values is a block of V columns, one of which is 1 and the others 0.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, D)`.
        spans: `(kind, start, stop)` of each block of columns, adjacent from 0 to D; the kind is
            `"numeric"`, `"count"` or `"categorical"`. Neighbours of the first two kinds are merged.
        typical_counts: The counts at f = 0, the mean of the data: one number, or one per column of
            counts.
        min_scale: The lower limit m of the standard deviations.

    Raises:
        ValueError: If the spans are not adjacent, a kind is unknown, `min_scale` is negative, or a
            typical count is not a finite number above zero.

    Reference:
        Nazabal et al., *Handling Incomplete Heterogeneous Data using VAEs*, 2020, section 2 (a
        likelihood for each kind of column, with a Poisson for counts).

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import MixedDecoder
        >>> decoder = MixedDecoder(MLP((2,), (5,)), [("numeric", 0, 2), ("categorical", 2, 5)])
        >>> decoder(torch.zeros(1, 2)).sample()[:, 2:].sum().item()
        1.0
    """

    log_typical: Tensor

    def __init__(
        self,
        network: nn.Module,
        spans: Spans,
        typical_counts: TypicalCounts = 1.0,
        min_scale: float = 1e-3,
    ) -> None:
        super().__init__(network)
        self.spans = checked_spans(spans)
        self.typical_counts = typical_counts
        self.min_scale = min_scale
        at_least(0, min_scale=min_scale)
        numeric, counts = (columns_of(kind, self.spans) for kind in ("numeric", "count"))
        self.log_spread = nn.Parameter(torch.zeros(len(numeric) + len(counts)))
        log_typical = log_typical_counts(typical_counts).expand(len(counts))
        add_constant(self, "log_typical", in_two_parts(log_typical))

    def forward(self, z: Tensor, context: Context | None = None) -> MixedColumns:
        """Return p(x|z) with batch shape `(*batch,)` and event shape `(D,)`."""
        out = self.outputs(z, context)
        log_typical = widened(self.log_typical).sum(0)
        log_spread: Tensor = self.log_spread
        parts: list[Distribution] = []
        for kind, start, stop in self.spans:
            columns, size = out[..., start:stop], stop - start
            if kind == "categorical":
                # Torch cannot validate an empty set of vectors.
                with nullcontext() if columns.numel() else without_argument_checks():
                    parts.append(OneHotCategorical(logits=columns))
                continue
            spread, log_spread = log_spread[:size], log_spread[size:]
            if kind == "numeric":
                part: Distribution = Normal(columns, spread.exp() + self.min_scale)
            else:
                log_mean = log_typical[:size] + widened(columns)
                log_typical = log_typical[size:]
                dispersion = widened(spread).exp() + MIN_DISPERSION
                part = LogMeanNegativeBinomial(log_mean, dispersion, out.dtype)
            parts.append(Independent(part, 1))
        return MixedColumns(parts)


MOST_COLUMNS = 10**7


def checked_spans(spans: Spans) -> tuple[tuple[str, int, int], ...]:
    """Return spans as tuples, merging neighbours that are both numeric or both counts.

    Examples:
        >>> from priory.likelihoods.mixed import checked_spans
        >>> checked_spans([["numeric", 0, 1], ["numeric", 1, 2], ["categorical", 2, 4]])
        (('numeric', 0, 2), ('categorical', 2, 4))
    """
    checked: list[tuple[str, int, int]] = []
    end = 0
    for kind, start, stop in spans:
        if kind not in ALLOWED or start != end or not start < stop <= MOST_COLUMNS:
            raise ValueError(
                f"expected adjacent spans ({' or '.join(ALLOWED)}, start, stop) from column 0, got "
                f"{(kind, start, stop)} after column {end}."
            )
        if checked and kind != "categorical" and checked[-1][0] == kind:
            start = checked.pop()[1]
        checked.append((str(kind), int(start), int(stop)))
        end = stop
    if not checked:
        raise ValueError("expected at least one span of columns, got none.")
    return tuple(checked)


def columns_of(kind: str, spans: Spans) -> list[int]:
    """Return the columns of a kind."""
    return [d for name, start, stop in spans if name == kind for d in range(start, stop)]


@dataclass(frozen=True)
class MixedLikelihood(Likelihood):
    """Columns of several kinds: standardised numbers, counts, and categories as one-hot blocks.

    Attributes:
        spans: `(kind, start, stop)` of each block of columns.
        low: The smallest value in each column; other data may be smaller.
        high: The largest value in each column; other data may be larger.
        min_scale: The lower limit of the standard deviation of numeric columns.
    """

    name: ClassVar[str] = "mixed"
    decoder: ClassVar[type[nn.Module]] = MixedDecoder
    advice: ClassVar[str] = (
        "fill in missing numbers, use raw counts, and one-hot columns for categories"
    )
    support: ClassVar[str] = (
        "finite numbers, whole ones from 0 upwards for counts, and a single 1 among zeros in each "
        "categorical block"
    )

    spans: tuple[tuple[str, int, int], ...]
    low: list[float] = field(repr=False)
    high: list[float] = field(repr=False)
    typical_counts: list[float] = field(repr=False)
    min_scale: float = 1e-3

    @property
    def data_range(self) -> tuple[list[float], list[float]]:
        """From the smallest to the largest observed value, for each column."""
        return (self.low, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are finite and, in categorical blocks, one-hot."""
        parts = [
            ALLOWED[kind](x[:, start:stop]).expand(-1, stop - start)
            for kind, start, stop in self.spans
        ]
        return torch.cat(parts, dim=-1)

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Return the number of columns of each kind, if they are described."""
        if observed.spans is None or observed.only_counts:
            return None
        spans = checked_spans(observed.spans)
        numbers = {kind: len(columns_of(kind, spans)) for kind in ("numeric", "count")}
        numbers["categorical"] = sum(kind == "categorical" for kind, _, _ in spans)
        shown = [f"{number} {kind}" for kind, number in numbers.items() if number]
        return f"a table with columns of these kinds: {', '.join(shown)}"

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the observed range of each column.

        A column with a single value gets a range of one on each side, and a categorical block
        always has the range from 0 to 1.

        Raises:
            ValueError: If there are no spans, or they do not match the data.
        """
        if observed.spans is None:
            raise ValueError(
                "expected spans with a mixed likelihood, got none; say which columns are numeric "
                "and which are categorical, or choose gaussian."
            )
        spans = checked_spans(observed.spans)
        if tuple(observed.x.shape[1:]) != (spans[-1][-1],):
            raise ValueError(
                f"expected data of shape (N, {spans[-1][-1]}) for these spans, "
                f"got {tuple(observed.x.shape)}."
            )
        ends = [part.aminmax(dim=0) for _, part in float_blocks(observed.x)]
        low = torch.stack([end.min for end in ends]).amin(0).float()  # like batches
        high = torch.stack([end.max for end in ends]).amax(0).float()
        low, high = torch.where(low < high, low, low - 1), torch.where(low < high, high, high + 1)
        for kind, start, stop in spans:
            if kind == "categorical":
                low[start:stop], high[start:stop] = 0, 1
        mean = mean_counts(observed)
        typical = [mean[d] for d in columns_of("count", spans)]
        return cls(why, spans, low.tolist(), high.tolist(), typical)
