"""From one example to another along the prior's density."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from priory.arrays import Array, as_points

BENDS = 6
STARTS = 4
STEPS = 120
SPEED = 0.04


@dataclass(frozen=True)
class Interpolation:
    """Paths between pairs of points, and the straight lines, at equal steps of length.

    Attributes:
        z: The points of each path, `(N, P, L)`.
        log_prob: log p(z) at each, in nats, `(N, P)`.
        straight: The points of the straight lines, `(N, P, L)`.
        straight_log_prob: log p(z) at each, `(N, P)`.
        length: The length of each path in the metric of the density, `(N,)`.
        straight_length: The length of the straight line, `(N,)`.
    """

    z: Float[Tensor, "N P L"]
    log_prob: Float[Tensor, "N P"]
    straight: Float[Tensor, "N P L"]
    straight_log_prob: Float[Tensor, "N P"]
    length: Float[Tensor, " N"]
    straight_length: Float[Tensor, " N"]

    def at(self, stops: int) -> tuple[Float[Tensor, "N stops L"], Float[Tensor, "N stops L"]]:
        """Return this many points along each path and each straight line, including the ends."""
        chosen = torch.linspace(0, self.z.shape[1] - 1, stops).round().long()
        return self.z[:, chosen], self.straight[:, chosen]


def interpolate(
    prior: Distribution,
    start: Float[Tensor, "N L"] | Array,
    end: Float[Tensor, "N L"] | Array,
    num_points: int = 49,
    seed: int = 0,
) -> Interpolation:
    r"""Find paths that stay where the prior has mass.

    The more probable the points of a path are, the shorter it is:

    $$J(\gamma) = \int_0^1 p(\gamma(t))^{-1/L} \, |\gamma'(t)| \, dt.$$

    The exponent makes the length independent of the unit of z, and for a flat density the shortest
    path is the straight line. Paths are straight lines with six bends, $\gamma(t) = (1 - t) a + t b
    + \sum_{m=1}^6 c_m \sin(m \pi t)$, and J is minimised over the $c_m$ by gradient descent from
    the straight line and from three random starts. The best result is returned; it is a local
    optimum, and never longer than the straight line.

    Args:
        prior: p(z), without a batch shape.
        start: The start of each path, a.
        end: The end of each path, b.
        num_points: The number of points P along a path, at equal steps.
        seed: The seed of the random starts; the global random state is not changed.

    Raises:
        ValueError: If there are fewer than two points.

    Reference:
        Bousquet, Chapelle & Hein, *Measure Based Regularization*, NeurIPS 2003 (distances from a
        decreasing function of the density); Groisman, Jonckheere & Sapienza, *Nonhomogeneous
        Euclidean first-passage percolation and distance learning*, Bernoulli 2022 (a power of the
        density that depends on the dimension).

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.evaluation import interpolate
        >>> corners = torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
        >>> p = GaussianMixture(torch.zeros(3), corners, torch.ones(3, 2))
        >>> path = interpolate(p, corners[:1], corners[2:])
        >>> bool(path.log_prob.min() > path.straight_log_prob.min() + 1)
        True
    """
    if num_points < 2:
        raise ValueError(f"expected at least two points of a path, got {num_points}.")
    start, end = as_points(start), as_points(end)
    dtype = start.dtype  # that of the model; the steps are too small for half precision
    start, end = (points.to(torch.promote_types(dtype, torch.float32)) for points in (start, end))
    pairs, dims = start.shape
    apart = (end - start).norm(dim=-1)
    t = torch.linspace(0, 1, num_points).to(start)[:, None]
    order = torch.arange(1, BENDS + 1).to(start)
    waves: Tensor = (
        torch.sin(math.pi * t * order) / order
    )  # (P, bends): smaller for higher frequencies
    lines = torch.lerp(start[:, None], end[:, None], t)

    def bent(by: Tensor) -> Tensor:  # (starts, N, bends, L)
        moved: Tensor = apart[:, None, None] * (waves @ by)
        return lines + moved

    def density(z: Tensor) -> Tensor:
        return prior.log_prob(z.to(dtype)).to(z)

    generator = torch.Generator().manual_seed(seed)
    bends = torch.randn(STARTS, pairs, BENDS, dims, generator=generator)
    bends = (0.5 * bends / math.sqrt(dims)).to(start)
    bends[0] = 0
    straight_length = _length(density, lines.detach())
    with torch.enable_grad():
        bends.requires_grad_()
        optimiser = torch.optim.Adam([bends], lr=SPEED)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS if dims > 1 else 0):
            (bends.grad,) = torch.autograd.grad(_length(density, bent(bends)).log().sum(), bends)
            bends.grad.nan_to_num_()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        path = bent(bends)
        lengths = _length(density, path).nan_to_num(torch.inf)
        best = lengths.argmin(0)
        rows = torch.arange(pairs)
        shorter = lengths[best, rows] < straight_length * (1 - 1e-5)  # not just by rounding
        z = torch.where(shorter[:, None, None], path[best, rows], lines)
        z = _evenly(z)
        return Interpolation(
            z=z.to(dtype),
            log_prob=density(z),
            straight=lines.to(dtype),
            straight_log_prob=density(lines),
            length=torch.where(shorter, lengths[best, rows], straight_length),
            straight_length=straight_length,
        )


def _length(density: Callable[[Tensor], Tensor], paths: Tensor) -> Tensor:
    """Return J of each path, `(*paths, P, L)` -> `(*paths,)`, from the midpoints of its steps."""
    steps = paths.diff(dim=-2)
    middles = paths[..., :-1, :] + steps / 2
    slowness = (-density(middles) / paths.shape[-1]).exp()
    return (slowness * (steps.square().sum(-1) + 1e-20).sqrt()).sum(-1)


def _evenly(paths: Tensor) -> Tensor:
    """Move the points along each path, to equal steps of length."""
    so_far = torch.nn.functional.pad(paths.diff(dim=-2).norm(dim=-1).cumsum(-1), (1, 0))
    wanted = torch.linspace(0, 1, paths.shape[-2]).to(paths) * so_far[..., -1:]
    after = torch.searchsorted(so_far, wanted).clamp(1, paths.shape[-2] - 1)
    low, high = so_far.gather(-1, after - 1), so_far.gather(-1, after)
    share = ((wanted - low) / (high - low).clamp_min(1e-20)).unsqueeze(-1)
    index = after.unsqueeze(-1).expand_as(paths)
    return torch.lerp(paths.gather(-2, index - 1), paths.gather(-2, index), share)
