"""Vectors as bars: which of their dimensions to show, by which names and in which units."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priory.data import Columns

MOST = 24


@dataclass(frozen=True)
class Bars:
    """How a vector is drawn as bars.

    Attributes:
        index: The dimensions shown, `(B,)`.
        names: Their names.
        low: Where each bar begins, in the unit of its column, `(B,)`.
        high: Where each is full, `(B,)`.
        mean: What is added to a standardised column, `(B,)`.
        scale: What it is multiplied by, `(B,)`.
        total: The number of dimensions there are.

    """

    index: Tensor
    names: tuple[str, ...]
    low: Tensor
    high: Tensor
    mean: Tensor
    scale: Tensor
    total: int

    @classmethod
    def of(cls, data: Tensor, columns: Columns | None = None, most: int = MOST) -> "Bars":
        """Choose the dimensions that vary most, in the order of the data.

        Args:
            data: Data, `(N, *data_shape)`.
            columns: What the columns of a table mean.
            most: The most dimensions to show.

        Examples:
            >>> import torch
            >>> from priory.report.bars import Bars
            >>> Bars.of(torch.tensor([[0.0, 1.0, 5.0], [0.0, 2.0, 9.0]]), most=2).names
            ('x₂', 'x₃')

        """
        flat = data.detach().cpu().flatten(1).double()
        total = flat.shape[1]
        spread = flat.var(0) if len(flat) > 1 else torch.zeros(total)
        index = spread.topk(min(most, total)).indices.sort().values
        names, mean, scale = _columns(columns, total)
        found = flat[:, index] * scale[index] + mean[index]
        low, high = found.amin(0).clamp(max=0), found.amax(0)
        low = torch.where(found.amin(0) > 0, found.amin(0) - 0.1 * (high - found.amin(0)), low)
        high = torch.where(high > low, high, low + 1)
        chosen = tuple(names[i] for i in index.tolist())
        return cls(index, chosen, low, high, mean[index], scale[index], total)

    def values(self, data: Tensor) -> list[list[float]]:
        """Return the values of the dimensions shown, in the units of their columns."""
        flat = data.detach().cpu().flatten(1).double()[:, self.index] * self.scale + self.mean
        return [[float(f"{v:.3g}") for v in row] for row in flat.nan_to_num(0).tolist()]

    @property
    def description(self) -> dict[str, Any]:
        """What the page needs to draw them."""
        return {"names": self.names, "low": self.low.tolist(), "high": self.high.tolist()}


def _columns(columns: Columns | None, total: int) -> tuple[list[str], Tensor, Tensor]:
    mean, scale = torch.zeros(total).double(), torch.ones(total).double()
    if columns is None:
        small = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
        return [f"x{n}".translate(small) for n in range(1, total + 1)], mean, scale
    names = []
    for column, (_, start, _) in zip(columns.columns, columns.spans, strict=True):
        if column.kind == "categorical":
            names += [f"{column.name}: {category}" for category in column.categories]
        else:
            names.append(column.name)
            mean[start], scale[start] = column.mean, column.scale
    return names, mean, scale
