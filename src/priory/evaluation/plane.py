"""Planes of the latent space, for plots."""

from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.arrays import Array, as_points
from priory.distributions import widened

BEYOND = 0.005
"""The share of points that may lie beyond each end of an axis."""

MARGIN = 0.1
"""What is added at each end, as a share of what lies between."""

ORDINALS = ("first", "second", "third")


@dataclass(frozen=True)
class Plane:
    r"""A plane of the latent space, or a line if it has one dimension, and its limits.

    A point with coordinates c is $o + V (c - V^\top o)$, with the origin o and the directions V.

    Attributes:
        origin: A point in the plane, `(L,)`.
        directions: Its directions, orthonormal, `(L, 2)`; `(1, 1)` for a single latent dimension.
        names: The names of its axes.
        low: The lower limit of both axes.
        high: The upper limit of both axes.
    """

    origin: Float[Tensor, " L"]
    directions: Float[Tensor, "L dims"]
    names: tuple[str, ...]
    low: float
    high: float

    @property
    def is_whole(self) -> bool:
        """Whether the plane is the whole latent space."""
        return self.directions.shape[0] == self.directions.shape[1]

    def project(self, z: Float[Tensor, "*points L"]) -> Float[Tensor, "*points dims"]:
        """Return the coordinates of points."""
        return z @ self.directions

    def embed(self, points: Float[Tensor, "*points dims"]) -> Float[Tensor, "*points L"]:
        """Return the points of the latent space with these coordinates."""
        return self.origin + (points - self.origin @ self.directions) @ self.directions.mT

    def grid(self, side: int) -> Float[Tensor, "*cells dims"]:
        """Return the coordinates of the cells' centres, `(side, side, 2)`, lower corner first."""
        step = (self.high - self.low) / side
        cells = torch.arange(side, dtype=self.origin.dtype, device=self.origin.device)
        line = self.low + step * (cells + 0.5)
        if self.directions.shape[1] == 1:
            return line[:, None]
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack((x, y), -1)


@torch.no_grad()
def planes(
    prior: Distribution, z: Float[Tensor, "N L"] | Array, most: int = 3, seed: int = 0
) -> tuple[Plane, ...]:
    """Return the planes of the latent space that show most of q(z), best first.

    One or two latent dimensions are a plane themselves. With more, the planes are spanned by pairs
    of the first three principal directions of q(z), through its mean. The axes end just beyond
    99% of the samples and of the prior, so that a few far points do not shrink the rest.

    Args:
        prior: p(z).
        z: One sample of q(z|x) for each example.
        most: The maximum number of planes.
        seed: The seed of the prior's samples; the global random state is not changed.

    Examples:
        >>> import torch
        >>> from priory import StandardPrior
        >>> from priory.evaluation.plane import planes
        >>> [plane.names for plane in planes(StandardPrior(2)(), torch.randn(100, 2))]
        [('z₁', 'z₂')]
        >>> len(planes(StandardPrior(4)(), torch.randn(100, 4)))
        3
    """
    z = as_points(z)
    dims = z.shape[-1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        spread = prior.sample(Size((2000,))).to(z)
    if dims <= 2:
        names: tuple[str, ...] = ("z₁", "z₂")[:dims]
        return (_with_ends(z.new_zeros(dims), torch.eye(dims).to(z), names, z, spread),)
    few = len(z) < 3  # these have fewer directions than a plane; any others complete it
    leading = torch.linalg.svd(widened(z - z.mean(0)), full_matrices=few).Vh[:3].mT.to(z)
    shown = []
    for pair in list(combinations(range(leading.shape[1]), 2))[:most]:
        names = tuple(ORDINALS[number] for number in pair)
        names = (f"{names[0]} principal direction of q(z)", names[1])
        shown.append(_with_ends(z.mean(0), leading[:, list(pair)], names, z, spread))
    return tuple(shown)


def _with_ends(
    origin: Tensor, directions: Tensor, names: tuple[str, ...], z: Tensor, spread: Tensor
) -> Plane:
    z, spread = z @ directions, spread @ directions
    ends = torch.cat([_middle(points) for points in (z, spread)])
    margin = MARGIN * float(ends.max() - ends.min())
    return Plane(origin, directions, names, float(ends.min()) - margin, float(ends.max()) + margin)


def _middle(points: Tensor) -> Tensor:
    """Return the ends of what holds all but a few points, in each direction."""
    ordered = points.sort(0).values
    few = int(BEYOND * len(points))
    return torch.stack((ordered[few], ordered[len(points) - 1 - few]))
