"""Data as the page draws them: images as sprites, anything else as bars."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from priory.data import Columns
from priory.networks.data_range import DataRange
from priory.report.bars import Bars
from priory.report.sprite import is_image, sprite


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
