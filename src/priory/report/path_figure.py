"""An interpolation, with the straight line under it."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priory.arrays import to_numpy
from priory.extras import needs
from priory.networks.data_range import DataRange
from priory.report.sprite import is_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def path_figure(along: Tensor, data_range: DataRange, least: tuple[float, float]) -> "Figure":
    """Draw the data along a path above those along the straight line.

    Args:
        along: The data, the path first, `(2, stops, *data_shape)`; images as images, anything else
            as a column of shades for each stop.
        data_range: The values drawn white and black.
        least: The least log p(z) along each, in nats.

    Examples:
        >>> import torch
        >>> from priory.report import path_figure
        >>> len(path_figure(torch.rand(2, 5, 8, 8), (0, 1), (-3.0, -20.0)).axes)
        2

    """
    with needs("report"):
        from matplotlib.figure import Figure
    low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in data_range)
    shares = ((along.detach().cpu().float() - low) / (high - low)).clamp(0, 1)
    if not is_image(tuple(along.shape[2:])):
        shares = shares.flatten(2).unsqueeze(-1)  # a column for each
    elif shares.dim() == 5:
        shares = shares.movedim(2, -1).squeeze(-1)
    stops, height, width = shares.shape[1:4]
    size = (0.75 * stops + 0.2, 2 * (0.75 * min(3.0, height / width) + 0.3))
    figure = Figure(figsize=size, layout="constrained")
    style: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    names = ("along the density", "straight")
    for ax, row, name, value in zip(figure.subplots(2), shares, names, least, strict=True):
        ax.imshow(to_numpy(torch.cat(list(row), 1)), aspect="auto", **style)
        ax.set_axis_off()
        ax.set_title(f"{name}: log p(z) ≥ {value:.1f} nats", fontsize=8, loc="left", pad=2)
    return figure
