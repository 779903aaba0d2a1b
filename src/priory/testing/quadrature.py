"""The integral of a density over all of R^D, with adaptive cells."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from priory.testing.clusters import Clusters
from priory.testing.free import Free

DEPTH = 30
"""The maximum number of times that a cell is halved."""

BUDGET = 2**17
"""The maximum number of density evaluations for an integral."""


@dataclass(frozen=True)
class Frame:
    r"""All of R^D mapped to a box: $w = \frac{2}{\pi} \arctan(R^{-1} (u - c))$.

    The box contains all of a density, whatever its tails and modes.
    """

    centre: Tensor
    root: Tensor

    @classmethod
    def of(cls, samples: Tensor, clusters: Clusters) -> "Frame":
        """Return the frame in which most samples are standardised, with the axes of the clusters.

        Its cells have equal sides, and suit clusters with similar widths in all directions.
        """
        edges = torch.tensor([0.01, 0.99], dtype=samples.dtype)
        low, high = torch.quantile(samples[:20_000], edges, dim=0)
        inside = samples.clamp(low, high)
        shape = clusters.root @ clusters.root.mT
        volume = clusters.root.diagonal(dim1=-2, dim2=-1).log().mean(-1).mul(2).exp()
        within = (clusters.share / volume) @ shape.flatten(1)
        root = torch.linalg.cholesky(within.reshape(shape.shape[1:]))
        white = torch.linalg.solve_triangular(root, (inside - inside.mean(0)).T, upper=False)
        return cls(inside.mean(0), root * white.square().mean(1).max().sqrt())

    def fold(self, u: Tensor) -> Tensor:
        """Return w, `(n, D)`, between -1 and 1."""
        white = torch.linalg.solve_triangular(self.root, (u - self.centre).T, upper=False).T
        folded: Tensor = white.atan() * (2 / math.pi)
        return folded

    def unfold(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return u, `(n, D)`, and the log-determinant of its derivative by w, `(n,)`."""
        v = (w * (math.pi / 2)).tan()
        log_det = (math.pi / 2 * (1 + v.square())).log().sum(-1)
        return self.centre + v @ self.root.T, log_det + self.root.diagonal().log().sum()


@dataclass(frozen=True)
class Cells:
    """Cells that fill the box of a frame, each halved as often as its density requires.

    Attributes:
        depth: The number of times that each was halved, `(N,)`.
        index: Its place among those of its depth, `(N, D)`.
        points: In the box, `(N, m, D)`.
        weight: Of the points, `(N, m)`; they sum to the mass of the cell.
        peak: The highest log-density of the points, in the box, `(N,)`.
        error: The possible error of that mass, `(N,)`.
    """

    depth: Tensor
    index: Tensor
    points: Tensor
    weight: Tensor
    peak: Tensor
    error: Tensor

    @cached_property
    def mass(self) -> Tensor:
        """The mass of each cell, `(N,)`."""
        return self.weight.sum(-1)

    def __getitem__(self, rows: Tensor) -> "Cells":
        return Cells(*(part[rows] for part in self.fields))

    def __add__(self, other: "Cells") -> "Cells":
        pairs = zip(self.fields, other.fields, strict=True)
        return Cells(*(torch.cat(pair) for pair in pairs))

    @property
    def fields(self) -> tuple[Tensor, ...]:
        """The masses of the cells, in order."""
        return self.depth, self.index, self.points, self.weight, self.peak, self.error

    @cached_property
    def start(self) -> Tensor:
        """The start of each on the curve through all cells, `(N,)`; the cells are in that order."""
        return _curve(self.index << (DEPTH - self.depth).unsqueeze(-1))

    def ordered(self) -> "Cells":
        """Return the cells in the order of the curve through them."""
        return self[self.start.argsort()]

    def holding(self, w: Tensor) -> Tensor:
        """Return which of the ordered cells contains each point of the box, `(n,)`."""
        place = ((w + 1) / 2 * 2**DEPTH).long().clamp(0, 2**DEPTH - 1)
        return torch.searchsorted(self.start, _curve(place), right=True) - 1


def _curve(place: Tensor) -> Tensor:
    """Interleave the bits of coordinates: near on the curve is near in the box (Morton's order)."""
    code = torch.zeros(len(place), dtype=torch.long)
    size = place.shape[1]
    for bit in range(DEPTH):
        for d in range(size):
            code |= ((place[:, d] >> bit) & 1) << (bit * size + size - 1 - d)
    return code


def quadrature(density: Free, samples: Tensor, frame: Frame) -> tuple[Cells, str]:
    """Integrate with Gauss's rule in cells that are split until splitting changes nothing.

    They are also split if samples crowd in a corner of a cell none of whose points is as dense,
    because the points have missed a mode there. It returns the ordered cells and a description of
    any problem with them.
    """
    size, samples = samples.shape[1], samples[:10_000]
    w = frame.fold(samples)
    log_p = density.log_prob(samples) + frame.unfold(w)[1]
    start = 4 if size == 2 else 6
    line = torch.arange(2**start)
    index = torch.cartesian_prod(*[line] * size).reshape(-1, size)
    whole = _integrated(density, frame, torch.full((len(index),), start), index)
    cells = _split(density, frame, whole)
    spent = cells.weight.numel()
    while True:
        cells = cells.ordered()
        order = cells.error.argsort()
        small = cells.error[order].cumsum(0) < 1e-5
        wanted = torch.ones(len(order), dtype=torch.bool)
        wanted[order[small]] = False
        missed = _missed(cells, w, log_p) | _beside_smaller(cells)
        room = (BUDGET - spent) // (2**size * cells.weight.shape[1])
        rows = ((wanted | missed) & (cells.depth < DEPTH)).nonzero().squeeze(-1)
        if len(rows) > room:
            priority = cells.error + missed * cells.mass.sum()
            rows = rows[priority[rows].argsort(descending=True)[:room]]
        if not len(rows):
            break
        kept = torch.ones(len(order), dtype=torch.bool)
        kept[rows] = False
        children = _split(density, frame, cells[rows])
        spent += children.weight.numel()
        cells = cells[kept] + children
    error = float(cells.error.sum())
    trouble = ""
    if not cells.weight.isfinite().all():
        trouble = "the density is not finite at some points"
    elif _missed(cells, w, log_p).any():
        trouble = "samples crowd where no point of the grid is as dense: modes too narrow for it"
    elif error > 0.05:
        trouble = f"the integral is only known to within {error:.2g}: too narrow for the grid"
    return cells, trouble


def _missed(cells: Cells, w: Tensor, log_p: Tensor) -> Tensor:
    """Return which ordered cells have samples in a corner where no point is as dense, `(N,)`."""
    row = cells.holding(w)
    count = torch.bincount(row, minlength=len(cells.depth)).to(w.dtype)
    total = count.clamp(min=1).unsqueeze(-1)
    mean = torch.zeros(len(count), w.shape[1], dtype=w.dtype).index_add(0, row, w) / total
    square = torch.zeros_like(mean).index_add(0, row, (w - mean[row]).square()) / total
    side = 2.0 / 2 ** cells.depth.to(w.dtype)
    crowded = (count >= 3) & (square.sqrt().amin(-1) < side / 8)
    highest = torch.full_like(side, -math.inf).scatter_reduce(0, row, log_p, "amax")
    return crowded & (highest > cells.peak + 1)


def _beside_smaller(cells: Cells) -> Tensor:
    """Return which of the ordered, non-empty cells are next to others less than half as wide.

    A narrow mode at the boundary of a wide cell is between its points.
    """
    size = cells.index.shape[1]
    coarse = torch.zeros(len(cells.depth), dtype=torch.bool)
    small = (cells.mass > 1e-9) & (cells.depth > cells.depth.min())
    depth, index = cells.depth[small], cells.index[small]
    for step in torch.cartesian_prod(*[torch.tensor([-1, 0, 1])] * size).reshape(-1, size):
        beside = index + step
        inside = ((beside >= 0) & (beside < 2 ** depth.unsqueeze(-1))).all(-1)
        start = beside[inside] << (DEPTH - depth[inside]).unsqueeze(-1)
        row = torch.searchsorted(cells.start, _curve(start), right=True) - 1
        coarse[row[cells.depth[row] < depth[inside] - 1]] = True
    return coarse


def _integrated(density: Free, frame: Frame, depth: Tensor, index: Tensor) -> Cells:
    """Return cells with Gauss's rule of four points (eight in one dimension) along each axis."""
    size = index.shape[1]
    node, gauss = _rule(4 if size == 2 else 8)
    side = 2.0 / 2 ** depth.double()
    offset = torch.cartesian_prod(*[node] * size).reshape(-1, size)
    share = torch.cartesian_prod(*[gauss] * size).reshape(-1, size).prod(-1)
    points = -1 + side[:, None, None] * (index.unsqueeze(1) + offset)
    u, log_det = frame.unfold(points.reshape(-1, size))
    log_p = (density.log_prob(u) + log_det).reshape(len(depth), -1)
    weight = log_p.exp() * share * side.unsqueeze(-1) ** size
    return Cells(depth, index, points, weight, log_p.amax(-1), torch.zeros_like(weight[:, 0]))


def _split(density: Free, frame: Frame, cells: Cells) -> Cells:
    """Return the halves of cells along each axis; the change of the mass is the error."""
    size = cells.index.shape[1]
    corner = torch.cartesian_prod(*[torch.arange(2)] * size).reshape(-1, size)
    index = (2 * cells.index.unsqueeze(1) + corner).reshape(-1, size)
    halves = _integrated(density, frame, (cells.depth + 1).repeat_interleave(len(corner)), index)
    change = (halves.mass.reshape(-1, len(corner)).sum(-1) - cells.mass).abs()
    error = (change / len(corner)).repeat_interleave(len(corner))
    return Cells(halves.depth, halves.index, halves.points, halves.weight, halves.peak, error)


def _rule(count: int) -> tuple[Tensor, Tensor]:
    """Return the points and weights of Gauss and Legendre between zero and one."""
    off = torch.arange(1, count, dtype=torch.float64)
    off = off / (4 * off.square() - 1).sqrt()
    point, vector = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    return (point + 1) / 2, vector[0].square()
