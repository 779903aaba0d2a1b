"""Weighted points that stand for a density: of a grid as fine as it takes, or draws."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from priory.testing.clusters import Clusters
from priory.testing.free import Free
from priory.testing.p_values import seeded

DEPTH = 30
"""How often a cell may be halved."""

BUDGET = 2**17
"""How many densities an integral may cost."""


@dataclass(frozen=True)
class Frame:
    r"""The whole of R^D folded into a box: $w = \frac{2}{\pi} \arctan(R^{-1} (u - c))$.

    Whatever its tails and wherever its modes lie, all of a density is in the box.
    """

    centre: Tensor
    root: Tensor

    @classmethod
    def of(cls, samples: Tensor, clusters: Clusters) -> "Frame":
        """Return the frame in which most samples are standard, with axes as the clusters have.

        Its cells have equal sides, and suit clusters that are about as wide one way as the other.
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
        return white.atan() * (2 / math.pi)

    def unfold(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return u, `(n, D)`, and the log-determinant of its derivative by w, `(n,)`."""
        v = (w * (math.pi / 2)).tan()
        log_det = (math.pi / 2 * (1 + v.square())).log().sum(-1)
        return self.centre + v @ self.root.T, log_det + self.root.diagonal().log().sum()


@dataclass(frozen=True)
class Cells:
    """Cells that fill the box of a frame, each halved as often as its density takes.

    Attributes:
        depth: How often each was halved, `(N,)`.
        index: Its place among those of its depth, `(N, D)`.
        points: In the box, `(N, m, D)`.
        weight: Of the points, `(N, m)`; they sum to the mass of the cell.
        peak: The highest log-density of the points, in the box, `(N,)`.
        error: By how much that mass may be off, `(N,)`.
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
        """What the cells hold, in order."""
        return self.depth, self.index, self.points, self.weight, self.peak, self.error

    @cached_property
    def start(self) -> Tensor:
        """Where each begins on the curve through all cells, `(N,)`; the cells are in that order."""
        return _curve(self.index << (DEPTH - self.depth).unsqueeze(-1))

    def ordered(self) -> "Cells":
        """Return the cells in the order of the curve through them."""
        return self[self.start.argsort()]

    def holding(self, w: Tensor) -> Tensor:
        """Return which cell, of ordered ones, holds each point of the box, `(n,)`."""
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


@dataclass(frozen=True)
class Mass:
    r"""Points and weights such that $\sum_i w_i f(u_i) \approx \int f(u)\, q(u)\, du$.

    Attributes:
        u: Points, `(n, D)`.
        weight: Weights, `(n,)`; they sum to the integral of the density.
        error: Of that sum: a bound for a grid, a standard error for draws.
        trouble: Why the weights cannot be trusted, or nothing.
        frame: What the grid lies in; nothing for draws.
        cells: The cells of the grid, in order; nothing for draws.
    """

    u: Tensor
    weight: Tensor
    error: float
    trouble: str = ""
    frame: Frame | None = None
    cells: Cells | None = None

    @property
    def total(self) -> float:
        """The integral of the density."""
        return float(self.weight.sum())

    @property
    def size(self) -> float:
        """The effective number of points."""
        weight = self.weight
        return float(weight.sum().square() / weight.square().sum().clamp(min=1e-300))

    def draw(self, count: int, seed: int) -> Tensor:
        """Return draws from the density that the points stand for, `(count, D)`."""
        with seeded(seed):
            row = torch.multinomial(self.weight, count, replacement=True)
            if self.cells is None or self.frame is None:
                return self.u[row]
            each = self.cells.weight.shape[1]
            w = self.cells.points.reshape(len(self.u), -1)[row]
            side = 2.0 / 2 ** self.cells.depth[row // each].to(w.dtype)
            width = side.unsqueeze(-1) / each ** (1 / w.shape[1])
            w = w + width * (torch.rand_like(w) - 0.5)
            return self.frame.unfold(w.clamp(-1 + 1e-9, 1 - 1e-9))[0]


def mass_of(density: Free, samples: Tensor, clusters: Clusters, seed: int) -> Mass:
    """Return the mass of a density, from a grid or from importance sampling around its samples."""
    if samples.shape[1] <= 2:
        frame = Frame.of(samples, clusters)
        mass = _by_quadrature(density, samples, frame)
        aslant = frame.root.diagonal() < 0.3 * frame.root.norm(dim=-1)
        if mass.trouble and aslant.any():  # perhaps the axes are those of wrong samples
            upright = torch.diag_embed(clusters.root.square().sum(-1).sqrt())
            frame = Frame.of(samples, replace(clusters, root=upright))
            return min(mass, _by_quadrature(density, samples, frame), key=lambda m: m.error)
        return mass
    return _by_importance(density, clusters, seed)


def _by_quadrature(density: Free, samples: Tensor, frame: Frame) -> Mass:
    """Integrate by Gauss's rule in cells that are split until a split changes nothing.

    They are also split where samples crowd in a corner of a cell whose mass is not theirs: there
    lies a mode that the points of the cell have missed.
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
        trouble = f"the integral is known to within {error:.2g} only: too narrow for the grid"
    u = frame.unfold(cells.points.reshape(-1, size))[0]
    return Mass(u, cells.weight.flatten(), error, trouble, frame, cells)


def _missed(cells: Cells, w: Tensor, log_p: Tensor) -> Tensor:
    """Return which of ordered cells hold samples in a corner where no point is as dense, `(N,)`."""
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
    """Return which of ordered cells lie beside others less than half as wide, but for empty ones.

    A narrow mode at the border of a wide cell is between its points.
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
    """Return the halves of cells along each axis; by how much they change the mass is the error."""
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


def _by_importance(density: Free, clusters: Clusters, seed: int) -> Mass:
    """Draw from the clusters, a little wider than they are, and from others with heavier tails."""
    size, degrees, tail = clusters.centre.shape[1], 4.0, 0.25
    n = 2**16 if size <= 32 else 2**15
    width = math.sqrt(1 + 0.5 / math.sqrt(size))
    with seeded(seed + 4):
        j = torch.multinomial(clusters.share, n, replacement=True).sort().values
        noise = torch.randn(n, size, dtype=clusters.centre.dtype)
        heavy = torch.rand(n) < tail
        stretch = torch._standard_gamma(torch.full((n,), degrees / 2)).double() * 2 / degrees
        stretch = torch.where(heavy, stretch.rsqrt(), width)
    counts = torch.bincount(j, minlength=len(clusters.share)).tolist()
    parts = [
        c + part @ root.T
        for c, root, part in zip(
            clusters.centre,
            clusters.root,
            (noise * stretch.unsqueeze(-1)).split(counts),
            strict=True,
        )
    ]
    u = torch.cat(parts)
    squared = clusters.squared(u)
    normal = -0.5 * squared / width**2 - size * (math.log(width) + 0.5 * math.log(2 * math.pi))
    student = (
        math.lgamma((degrees + size) / 2)
        - math.lgamma(degrees / 2)
        - 0.5 * size * math.log(degrees * math.pi)
        - 0.5 * (degrees + size) * torch.log1p(squared / degrees)
    )
    both = torch.logaddexp(math.log(1 - tail) + normal, math.log(tail) + student)
    proposal = torch.logsumexp(clusters.share.log() - clusters.log_det + both, dim=-1)
    weight = (density.log_prob(u) - proposal).exp() / n
    error = float(weight.std()) * math.sqrt(n)
    trouble = _why_not_trusted(weight)
    return Mass(u, weight, error, trouble)


def _why_not_trusted(weight: Tensor) -> str:
    """Say why a sum of weights is no estimate: too few carry it, or their tail has no variance."""
    n = len(weight)
    if not weight.isfinite().all():
        return "the density is not finite at some points"
    size = float(weight.sum().square() / weight.square().sum().clamp(min=1e-300))
    if size < n / 100:
        return f"importance sampling has an effective sample size of {size:.0f} of {n} only"
    top = weight.sort(descending=True).values[: 3 * math.isqrt(n)]
    index = float((top / top[-1]).log().mean())
    if index > 0.5:
        return f"the weights of importance sampling have a tail of index {index:.2f}, above 0.5"
    return ""
