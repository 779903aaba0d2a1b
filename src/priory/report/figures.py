"""Figures: tensors in, a matplotlib `Figure` out."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priory.arrays import to_numpy
from priory.extras import needs
from priory.networks.data_range import DataRange
from priory.report.latent_map import LatentMap
from priory.report.pictures import is_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEPTH = 12  # nats below the highest density at which contours end
SHADES = ("#ffffff", "#9db9d0")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7A00", "#7F3C8D")
"""Okabe and Ito's, which the colour-blind can tell apart, and two of like kind, as on the page."""


def density_figure(shown: LatentMap) -> "Figure":
    """Draw contours of log p(z) under dots, one for each example's sample of q(z|x).

    Dots have the colours of their labels, and crosses are samples of the prior in holes.
    """
    with needs("report"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    ax = figure.subplots()
    contours = _draw_density(ax, shown, float(shown.log_density.max()))
    if contours is not None:
        figure.colorbar(contours, ax=ax, label="log p(z) in nats")
    return figure


def density_comparison(maps: Sequence[LatentMap], alone: Sequence[LatentMap] = ()) -> "Figure":
    """Draw several priors side by side, on the same axes and the same colour scale.

    Args:
        maps: The maps, on the same axes.
        alone: The same, each on axes of its own, which are then drawn above.
    """
    with needs("report"):
        from matplotlib.figure import Figure
    rows = [alone, maps] if alone else [maps]
    height = 4.5 * len(rows) + 0.4
    figure = Figure(figsize=(4.0 * len(maps) + 1.2, height), layout="constrained")
    axes = figure.subplots(len(rows), len(maps), squeeze=False)
    top = max(float(m.log_density.max()) for m in maps)
    contours = None
    for row, shown in zip(axes, rows, strict=True):
        for ax, one in zip(row, shown, strict=True):
            contours = _draw_density(ax, one, top)
        for ax in row[1:]:
            ax.set_ylabel("")
    if alone:
        for ax in axes[1]:
            ax.set_title("the same, on the same axes for all", fontsize=9)
    if contours is not None:
        figure.colorbar(contours, ax=axes.flatten().tolist(), label="log p(z) in nats", pad=0.01)
    handles = _legend(maps)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _legend(maps: Sequence[LatentMap]) -> list[Any]:
    from matplotlib.lines import Line2D

    coloured = any(one.labels is not None for one in maps)
    dot: dict[str, Any] = {"color": COLOURS[0] if coloured else "k", "marker": ".", "ls": ""}
    said = "one sample of q(z|x) for each test example" + ", coloured by label" * coloured
    handles = [Line2D([], [], label=said, **dot)]
    if any(one.in_holes is not None and len(one.y) > 1 for one in maps):
        said = "sample of the prior in a hole of q(z)"
        handles.append(Line2D([], [], color="k", marker="x", ls="", ms=5, label=said))
    return handles


def grid_figure(
    data: Tensor,
    data_range: DataRange,
    columns: int = 8,
    labels: Sequence[str] | None = None,
) -> "Figure":
    """Draw data in a grid: images as images, anything else as a row of shades for each example.

    Args:
        data: `(N, H, W)` or `(N, C, H, W)` with one or three channels for images.
        data_range: The values drawn white and black, for all dimensions or for each.
        columns: Images per row.
        labels: What to write above each image.
    """
    with needs("report"):
        from matplotlib.figure import Figure
    low, high = (torch.as_tensor(bound, dtype=torch.float32) for bound in data_range)
    data = ((data.detach().cpu().float() - low) / (high - low)).clamp(0, 1)
    if data.dim() == 4 and data.shape[1] in (1, 3):
        data = data.movedim(1, -1).squeeze(-1)
    style: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    if data.dim() not in (3, 4):
        figure = Figure(figsize=(6, 0.14 * len(data) + 0.8), layout="constrained")
        ax = figure.subplots()
        ax.imshow(to_numpy(data.flatten(1)), aspect="auto", **style)
        ax.set(xlabel="dimension of x", ylabel="example")
        return figure
    columns = min(columns, len(data))
    rows = math.ceil(len(data) / columns)
    height, width = data.shape[1:3]
    gap = max(1, width // 14)
    above = max(1, height * 3 // 10) if labels else gap
    size = (rows * (above + height) + gap, columns * (gap + width) + gap)
    white = float(data.dim() == 4)  # of coloured images one, and of others zero
    sheet = torch.full((*size, *data.shape[3:]), white)
    inches = 0.75 * columns
    figure = Figure(figsize=(inches, inches * size[0] / size[1]))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    for index, image in enumerate(data):
        row, column = divmod(index, columns)
        top, left = row * (above + height) + above, column * (gap + width) + gap
        sheet[top : top + height, left : left + width] = image
        if labels:
            ax.text(left, top - 1, labels[index], fontsize=7, va="bottom")
    ax.imshow(to_numpy(sheet), **style)  # one picture, as an axis for each takes seconds
    return figure


def _draw_density(ax: "Axes", shown: LatentMap, top: float) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    ax.set_title("\n".join(filter(None, (shown.title, shown.note))))
    ax.set(xlabel=shown.axes[0], ylabel=shown.axes[1])
    if len(shown.y) == 1:
        density = shown.log_density[0]
        ax.plot(to_numpy(shown.x), to_numpy(density), color="tab:blue")
        floor = top - DEPTH
        ax.set_ylim(floor, top + 1)
        ax.plot(to_numpy(shown.points[:, 0]), torch.full((len(shown.points),), floor), "k|", ms=12)
        return None
    ceiling = math.ceil(top)
    density = shown.log_density.clamp(min=ceiling - DEPTH - 1)  # below all levels, left white
    levels = range(ceiling - DEPTH, ceiling + 1)
    x, y = to_numpy(shown.x), to_numpy(shown.y)
    shades = LinearSegmentedColormap.from_list("shades", SHADES)
    contours = ax.contourf(x, y, to_numpy(density), levels=levels, cmap=shades)
    ax.contour(x, y, to_numpy(density), levels, colors="white", linewidths=0.4, linestyles="solid")
    colours = (
        "k" if shown.labels is None else [COLOURS[n % len(COLOURS)] for n in shown.labels.tolist()]
    )
    across, along = to_numpy(shown.points.T)
    ax.scatter(across, along, s=5, c=colours, linewidths=0, zorder=3)
    if shown.in_holes is not None:
        across, along = to_numpy(shown.in_holes.T)
        for colour, width in (("white", 2.4), ("black", 1.0)):  # a halo, and the cross
            ax.scatter(across, along, s=18, c=colour, marker="x", linewidths=width, zorder=4)
    if shown.outside:
        said = f"{shown.outside} of {len(shown.points)} beyond the axes"
        ax.text(0.98, 0.02, said, transform=ax.transAxes, ha="right", fontsize=8)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    ax.set_box_aspect(1)  # both axes share their limits
    return contours


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
