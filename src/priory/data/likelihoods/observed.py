"""What is seen in data before a likelihood is chosen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priory.data.likelihoods.blocks import blocks
from priory.networks.mixed_decoder import Spans


@dataclass(frozen=True)
class Observed:
    """Data and what was seen of them, with what was said of them.

    Attributes:
        x: The data, `(N, *data_shape)`.
        low: The smallest value.
        high: The largest value.
        whole: Whether all values are whole numbers.
        num_values: The number of values V, where it was given.
        spans: The blocks of columns, where they were given.

    """

    x: Tensor
    low: float
    high: float
    whole: bool
    num_values: int | None
    spans: Spans | None

    @property
    def only_counts(self) -> bool:
        """Whether the data are a table whose columns were all given as counts."""
        return bool(self.spans) and all(kind == "count" for kind, _, _ in self.spans or ())

    @property
    def counts(self) -> bool:
        """Whether all values are whole numbers from zero on."""
        return self.whole and self.low >= 0


def observe(x: Tensor, num_values: int | None = None, spans: Spans | None = None) -> Observed:
    """Look through data, a block at a time.

    Raises:
        ValueError: If there are no data, or they hold NaN or infinite values.

    """
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"expected data of shape (N, ...) with at least one value, got shape {tuple(x.shape)}."
        )
    low, high, whole = float("inf"), float("-inf"), True
    for start, part in blocks(x):
        finite = part.isfinite()
        if not finite.all():
            row, *where = (~finite).nonzero()[0].tolist()
            raise ValueError(
                f"expected finite values, got {part[(row, *where)]:g} in datum {start + row} at "
                f"{where}; remove or fill in such values first."
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        whole = whole and bool((part == part.round()).all())
    low, high = torch.tensor([low, high], dtype=torch.float32).tolist()  # as batches are read
    return Observed(x, low, high, whole, num_values, spans)
