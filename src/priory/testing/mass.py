"""Weighted points that stand for a density: of a grid as fine as it takes, or draws."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from priory.testing.clusters import Clusters
from priory.testing.free import Free
from priory.testing.p_values import seeded
from priory.testing.quadrature import Cells, Frame, quadrature


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
    return _by_importance(density, samples, clusters, seed)


def _by_quadrature(density: Free, samples: Tensor, frame: Frame) -> Mass:
    cells, trouble = quadrature(density, samples, frame)
    u = frame.unfold(cells.points.reshape(-1, samples.shape[1]))[0]
    return Mass(u, cells.weight.flatten(), float(cells.error.sum()), trouble, frame, cells)


def _by_importance(density: Free, samples: Tensor, clusters: Clusters, seed: int) -> Mass:
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

    def proposal(u: Tensor) -> Tensor:
        squared = clusters.squared(u)
        normal = -0.5 * squared / width**2 - size * (math.log(width) + 0.5 * math.log(2 * math.pi))
        student = (
            math.lgamma((degrees + size) / 2)
            - math.lgamma(degrees / 2)
            - 0.5 * size * math.log(degrees * math.pi)
            - 0.5 * (degrees + size) * torch.log1p(squared / degrees)
        )
        both = torch.logaddexp(math.log(1 - tail) + normal, math.log(tail) + student)
        log_q: Tensor = torch.logsumexp(clusters.share.log() - clusters.log_det + both, dim=-1)
        return log_q

    log_weight = density.log_prob(u) - proposal(u)
    weight = log_weight.exp() / n
    error = float(weight.std()) * math.sqrt(n)
    trouble = _why_not_trusted(weight)
    few = samples[:4000]
    beyond = density.log_prob(few) - proposal(few) > log_weight.max()
    if not trouble and float(beyond.double().mean()) > 2e-3:
        trouble = "samples lie where importance sampling hardly reaches: too many modes to find"
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
