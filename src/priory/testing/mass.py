"""Clusters of samples, and weighted points that stand for a density: a grid, or draws."""

import math
from dataclasses import dataclass

import torch
from torch import Size, Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from priory.testing.p_values import seeded


@dataclass(frozen=True)
class Clusters:
    """Centres, and what belongs to them.

    Attributes:
        centre: `(J, L)`.
        share: The share of the points in each cluster, `(J,)`.
        covariance: Of the points in each cluster, `(J, L, L)`.
    """

    centre: Tensor
    share: Tensor
    covariance: Tensor

    def member(self, z: Tensor) -> Tensor:
        """Return the cluster nearest to each point, `(n,)`."""
        return torch.cdist(z, self.centre).argmin(-1)


def cluster(z: Tensor, count: int, seed: int) -> Clusters:
    """Return up to `count` clusters of points `(n, L)`, by k-means from k-means++ seeds."""
    few = z[:2000]
    with seeded(seed):
        centre = few[:1]
        while len(centre) < count:
            gap = torch.cdist(few, centre).amin(-1).square() + 1e-300
            centre = torch.cat([centre, few[torch.multinomial(gap, 1)]])
    for _ in range(15):
        member = torch.cdist(few, centre).argmin(-1)
        groups = [few[member == j] for j in member.unique()]
        centre = torch.stack([group.mean(0) for group in groups])
    member = torch.cdist(z, centre).argmin(-1)
    groups = [z[member == j] for j in range(len(centre))]
    large = [group for group in groups if len(group) > 10 * z.shape[1]] or [z]
    return Clusters(
        torch.stack([group.mean(0) for group in large]),
        torch.tensor([len(group) for group in large], dtype=z.dtype) / len(z),
        torch.stack([torch.cov(group.T).reshape(z.shape[1], -1) for group in large]),
    )


@dataclass(frozen=True)
class Mass:
    r"""Points and weights such that $\sum_i w_i f(z_i) \approx \int f(z)\, p(z)\, dz$.

    Attributes:
        z: Points, `(n, L)`.
        weight: Weights, `(n,)`; they sum to the integral of the density.
        error: Of that sum: a bound for a grid, a standard error for draws.
        axes: The points of the grid in each dimension; none for draws.
        trouble: Why the weights cannot be trusted, or nothing.
    """

    z: Tensor
    weight: Tensor
    error: float
    axes: tuple[Tensor, ...] = ()
    trouble: str = ""

    @property
    def total(self) -> float:
        """The integral of the density."""
        return float(self.weight.sum())


def mass_of(p: Distribution, samples: Tensor, clusters: Clusters, seed: int) -> Mass:
    """Return the mass of p, from a grid or from importance sampling around its samples."""
    if samples.shape[1] <= 2:
        return _by_quadrature(p, samples)
    return _by_importance(p, clusters, seed)


@torch.no_grad()
def _by_quadrature(p: Distribution, samples: Tensor) -> Mass:
    """Integrate by the midpoint rule over a box that is widened while it gains mass.

    The rule is exact to rounding for smooth densities once its cells are as narrow as the
    narrowest component; a rule with twice the step tells whether they are.
    """
    low, high = samples.amin(0), samples.amax(0)
    centre, reach = (low + high) / 2, 0.6 * (high - low) + 1e-3
    finest = 2**20 if samples.shape[1] == 1 else 1024
    mass = _grid(p, centre, reach, finest // 4)
    for _ in range(8):
        wider = _grid(p, centre, 1.5 * reach, finest // 4)
        gain = abs(wider.total - mass.total) - wider.error - mass.error
        settled = gain < 1e-5 * max(mass.total, 1e-9) and _edge(wider) < 1e-5
        reach, mass = 1.5 * reach, wider
        if settled:
            break
    else:
        return Mass(mass.z, mass.weight, mass.error, mass.axes, "mass at the boundary of the box")
    far = _grid(p, centre, 4 * reach, finest // 4)
    if far.total - far.error > mass.total + mass.error + 1e-4 * mass.total:
        reach, mass = 4 * reach, far
    if mass.error > 1e-5:
        mass = _grid(p, centre, reach, finest)
    if mass.error > 0.05:
        return Mass(mass.z, mass.weight, mass.error, mass.axes, "too narrow for the grid")
    return mass


def _grid(p: Distribution, centre: Tensor, reach: Tensor, count: int) -> Mass:
    steps = torch.arange(count, dtype=centre.dtype) - (count - 1) / 2
    axes = tuple(c + r * steps * 2 / count for c, r in zip(centre, reach, strict=True))
    z = torch.cartesian_prod(*axes).reshape(-1, len(axes))
    cell = float((2 * reach / count).prod())
    weight = torch.cat([p.log_prob(part) for part in z.split(2**17)]).double().exp() * cell
    every = weight.reshape((count,) * len(axes))[(slice(None, None, 2),) * len(axes)]
    error = abs(float(weight.sum()) - float(every.sum()) * 2 ** len(axes))
    return Mass(z, weight, error, axes)


def _edge(mass: Mass) -> float:
    """Return the share of the mass in the outermost cells."""
    count = len(mass.axes[0])
    inner = mass.weight.reshape((count,) * len(mass.axes))
    core = inner[(slice(count // 50, -(count // 50)),) * len(mass.axes)]
    return 1 - float(core.sum()) / max(mass.total, 1e-300)


@torch.no_grad()
def _by_importance(p: Distribution, clusters: Clusters, seed: int) -> Mass:
    """Draw from Gaussians around the clusters, a little and much wider than they are."""
    jitter = 1e-6 * torch.eye(clusters.centre.shape[1], dtype=clusters.centre.dtype)
    widths = [(1.2, 0.7), (4.0, 0.3)]
    proposal = MixtureSameFamily(
        Categorical(torch.cat([share * clusters.share for _, share in widths])),
        MultivariateNormal(
            clusters.centre.repeat(len(widths), 1),
            torch.cat([width * (clusters.covariance + jitter) for width, _ in widths]),
        ),
    )
    n = 40_000
    with seeded(seed + 4):
        z = proposal.sample(Size((n,)))
    weight = (p.log_prob(z).double() - proposal.log_prob(z)).exp() / n
    error = float(weight.std()) * math.sqrt(n)
    size = float(weight.sum().square() / weight.square().sum().clamp(min=1e-300))
    trouble = "" if size > n / 50 else f"effective sample size {size:.0f} of {n}"
    return Mass(z, weight, error, trouble=trouble)
