"""Tables whose columns are of several kinds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from priory.data.likelihoods.base import Likelihood, whole_from_zero
from priory.data.likelihoods.blocks import blocks
from priory.data.likelihoods.counts import mean_counts
from priory.data.likelihoods.observed import Observed
from priory.networks import MixedDecoder
from priory.networks.mixed_decoder import checked_spans, columns_of


def _one_hot(block: Tensor) -> Tensor:
    return whole_from_zero(block, 2) & (block.sum(-1, keepdim=True) == 1)


ALLOWED: dict[str, Callable[[Tensor], Tensor]] = {
    "numeric": torch.isfinite,
    "count": whole_from_zero,
    "categorical": _one_hot,
}


@dataclass(frozen=True)
class MixedLikelihood(Likelihood):
    """Columns of several kinds: standardised numbers, counts, and categories as one-hot blocks.

    Attributes:
        spans: `(kind, start, stop)` of each block of columns.
        low: The smallest value seen in each column; other data may lie below it.
        high: The largest value seen in each column; other data may lie above it.
        min_scale: The floor of the standard deviation of numeric columns.

    """

    name: ClassVar[str] = "mixed"
    advice: ClassVar[str] = (
        "fill in missing numbers, give counts as they are, and give each category a column that is "
        "1 where the others are 0"
    )
    support: ClassVar[str] = (
        "finite numbers, whole ones from 0 on for counts, and a single 1 among zeros in each "
        "categorical block"
    )
    pixel_shape: ClassVar[tuple[int, ...]] = ()

    spans: tuple[tuple[str, int, int], ...]
    low: list[float] = field(repr=False)
    high: list[float] = field(repr=False)
    typical_counts: list[float] = field(repr=False)
    min_scale: float = 1e-3

    @property
    def data_range(self) -> tuple[list[float], list[float]]:
        """From the smallest to the largest value seen, for each column."""
        return (self.low, self.high)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are finite, and in categorical blocks part of a single 1 among 0."""
        parts = [
            ALLOWED[kind](x[:, start:stop]).expand(-1, stop - start)
            for kind, start, stop in self.spans
        ]
        return torch.cat(parts, dim=-1)

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> MixedDecoder:
        """Return a `MixedDecoder`."""
        return MixedDecoder(network, self.spans, self.typical_counts, self.min_scale)

    @classmethod
    def suits(cls, seen: Observed) -> str | None:
        """Return how many columns there are of each kind, where they are described."""
        if seen.spans is None or seen.only_counts:
            return None
        spans = checked_spans(seen.spans)
        numbers = {kind: len(columns_of(kind, spans)) for kind in ("numeric", "count")}
        numbers["categorical"] = sum(kind == "categorical" for kind, _, _ in spans)
        shown = [f"{number} {kind}" for kind, number in numbers.items() if number]
        return f"a table with columns of these kinds: {', '.join(shown)}"

    @classmethod
    def from_data(cls, seen: Observed, why: str) -> Likelihood:
        """Return the likelihood with the range seen in each column.

        A column with a single value gets a range of one on each side, and a categorical block
        always has that from 0 to 1.

        Raises:
            ValueError: If there are no spans, or they do not fit the data.

        """
        if seen.spans is None:
            raise ValueError(
                "expected spans with a mixed likelihood, got none; say which columns are numeric "
                "and which are categorical, or choose gaussian."
            )
        spans = checked_spans(seen.spans)
        if tuple(seen.x.shape[1:]) != (spans[-1][-1],):
            raise ValueError(
                f"expected data of shape (N, {spans[-1][-1]}) for these spans, "
                f"got {tuple(seen.x.shape)}."
            )
        ends = [part.aminmax(dim=0) for _, part in blocks(seen.x)]
        low = torch.stack([end.min for end in ends]).amin(0).float()  # as batches are read
        high = torch.stack([end.max for end in ends]).amax(0).float()
        low, high = torch.where(low < high, low, low - 1), torch.where(low < high, high, high + 1)
        for kind, start, stop in spans:
            if kind == "categorical":
                low[start:stop], high[start:stop] = 0, 1
        mean = mean_counts(seen)
        typical = [mean[d] for d in columns_of("count", spans)]
        return cls(why, spans, low.tolist(), high.tolist(), typical)
