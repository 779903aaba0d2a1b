"""Data as the page draws them: images as sprites, anything else as bars."""

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from priory.data import Columns
from priory.extras import needs
from priory.networks.data_range import DataRange

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
            >>> from priory.report.pictures import Bars
            >>> Bars.of(torch.tensor([[0.0, 1.0, 5.0], [0.0, 2.0, 9.0]]), most=2).names
            ('x₂', 'x₃')
        """
        flat = data.detach().cpu().flatten(1).double()
        total = flat.shape[1]
        spread = flat.var(0) if len(flat) > 1 else torch.zeros(total)
        index = spread.topk(min(most, total)).indices.sort().values
        names, mean, scale = _columns(columns, total)
        values = flat[:, index] * scale[index] + mean[index]
        low, high = values.amin(0).clamp(max=0), values.amax(0)
        low = torch.where(values.amin(0) > 0, values.amin(0) - 0.1 * (high - values.amin(0)), low)
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


def is_image(data_shape: tuple[int, ...]) -> bool:
    """Whether data of a shape are shown as images: `(H, W)`, or one or three channels of them."""
    return len(data_shape) == 2 or (len(data_shape) == 3 and data_shape[0] in (1, 3))


def sprite(images: Tensor, data_range: DataRange) -> dict[str, Any]:
    """Return images, side by side in one PNG, and how they lie in it.

    Grey images are drawn as ink on paper: the largest value black.

    Args:
        images: `(N, H, W)`, or `(N, C, H, W)` with one or three channels.
        data_range: The values drawn white and black (for colours: dark and bright), for all
            dimensions or for each.

    Returns:
        `source`, a `data:` address; `columns`; `count`; `width` and `height` of one image; and
        whether they are `grey`.

    Examples:
        >>> import torch
        >>> from priory.report.pictures import sprite
        >>> found = sprite(torch.rand(10, 8, 8), (0, 1))
        >>> found["columns"], found["source"][:22]
        (4, 'data:image/png;base64,')
    """
    with needs("report"):
        from PIL import Image
    low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in data_range)
    shares = ((images.detach().cpu().float() - low) / (high - low)).clamp(0, 1).nan_to_num(0)
    if shares.dim() == 4 and shares.shape[1] == 1:
        shares = shares[:, 0]
    grey = shares.dim() == 3
    shares = 1 - shares if grey else shares.movedim(1, -1)
    count, height, width = shares.shape[:3]
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    sheet = torch.ones(rows * columns, *shares.shape[1:])
    sheet[:count] = shares
    sheet = sheet.unflatten(0, (rows, columns)).transpose(1, 2).flatten(2, 3).flatten(0, 1)
    content = io.BytesIO()
    Image.fromarray((255 * sheet).round().byte().numpy()).save(content, "PNG", optimize=True)
    return {
        "source": "data:image/png;base64," + base64.b64encode(content.getvalue()).decode(),
        "columns": columns,
        "count": count,
        "width": width,
        "height": height,
        "grey": grey,
    }


@dataclass(frozen=True)
class Pictures:
    """How data are drawn.

    Attributes:
        data_range: The values drawn white and black, of images.
        bars: How they are drawn as bars; None for images.
    """

    data_range: DataRange
    bars: Bars | None

    @classmethod
    def of(cls, data: Tensor, data_range: DataRange, columns: Columns | None) -> "Pictures":
        """Choose how to draw data, `(N, *data_shape)`."""
        images = is_image(tuple(data.shape[1:])) and columns is None
        return cls(data_range, None if images else Bars.of(data, columns))

    def encode(self, data: Tensor) -> dict[str, Any]:
        """Return data, `(N, *data_shape)`, as the page reads them."""
        if self.bars is None:
            return sprite(data, self.data_range)
        return {"values": self.bars.values(data)}
