"""The prior's log-density over a plane of the latent space, and samples of q(z) in it."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.evaluation import Plane, planes

CELLS = 200
SAMPLES = 200_000


@dataclass(frozen=True)
class LatentMap:
    """What the figure of the latent space shows.

    Attributes:
        title: The name of the prior.
        x: The positions of the columns, `(W,)`.
        y: The positions of the rows, `(H,)`; one row for a single latent dimension.
        log_density: log p(z), `(H, W)`, in nats.
        points: Samples of q(z|x), one for each example, `(N, 2)`; `(N, 1)` for a single dimension.
        axes: The names of the axes.
        labels: The label of each example, `(N,)`; None where there are none.
        in_holes: Samples of the prior in holes of q(z), `(C, 2)`; None where that is not known.
        note: What else to write above it.
    """

    title: str
    x: Float[Tensor, " W"]
    y: Float[Tensor, " H"]
    log_density: Float[Tensor, "H W"]
    points: Float[Tensor, "N dims"]
    axes: tuple[str, str]
    labels: Int[Tensor, " N"] | None = None
    in_holes: Float[Tensor, "C dims"] | None = None
    note: str = ""

    @property
    def outside(self) -> int:
        """The number of points beyond the axes."""
        ends = self.points < float(self.x[0]), self.points > float(self.x[-1])
        return int((ends[0] | ends[1]).any(1).sum())


@torch.no_grad()
def latent_map(
    title: str,
    prior: Distribution,
    z: Float[Tensor, "N L"],
    limits: tuple[float, float] | None = None,
    plane: Plane | None = None,
    *,
    labels: Int[Tensor, " N"] | None = None,
    in_holes: Float[Tensor, "C L"] | None = None,
    note: str = "",
) -> LatentMap:
    """Evaluate the prior over a plane of the latent space.

    With one or two latent dimensions the density is exact. With more, it is that of the projection
    onto the plane, from a smoothed histogram of prior samples.

    Args:
        title: The name of the prior.
        prior: Its distribution.
        z: One sample of q(z|x) for each example.
        limits: The ends of both axes; by default just beyond 99% of the samples and of the prior.
        plane: The plane; by default the one that shows most of q(z).
        labels: The label of each example.
        in_holes: Samples of the prior in holes of q(z).
        note: What else to write above it.

    Examples:
        >>> from priory import MoGPrior
        >>> from priory.report import latent_map
        >>> latent_map("MoG", MoGPrior(2, 16)(), torch.randn(100, 2)).log_density.shape
        torch.Size([200, 200])
    """
    plane = planes(prior, z, most=1)[0] if plane is None else plane
    low, high = limits or (plane.low, plane.high)
    line = torch.linspace(low, high, CELLS)
    points = plane.project(z)
    crosses = None if in_holes is None else plane.project(in_holes)
    shown = partial(LatentMap, points=points, labels=labels, in_holes=crosses, note=note)
    if z.shape[-1] == 1:
        log_density = prior.log_prob(line[:, None].to(z.dtype))[None]
        names = (plane.names[0], "log p(z)")
        return shown(title, line, line[:1], log_density, axes=names)
    axes = (plane.names[0], plane.names[1])
    if not plane.is_whole:
        log_density = _histogram(prior, plane.directions, low, high)
        return shown(title, line, line, log_density, axes=axes)
    y, x = torch.meshgrid(line, line, indexing="ij")
    log_density = prior.log_prob(torch.stack((x, y), -1).to(z.dtype))
    return shown(title, line, line, log_density, axes=axes)


def common_limits(maps: list[LatentMap]) -> tuple[float, float]:
    """Return the limits of axes that contain every map."""
    return min(float(m.x[0]) for m in maps), max(float(m.x[-1]) for m in maps)


def _histogram(prior: Distribution, plane: Tensor, low: float, high: float) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        samples = prior.sample(torch.Size((SAMPLES,))) @ plane
    edges = torch.linspace(low, high, CELLS + 1)
    counts = torch.histogramdd(samples.flip(-1).to(edges), [edges, edges]).hist
    kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / 2.0).square())
    kernel = torch.outer(kernel, kernel) / kernel.sum().square()
    smooth = nn.functional.conv2d(counts[None, None], kernel[None, None], padding="same")[0, 0]
    cell = ((high - low) / CELLS) ** 2
    return (smooth / (SAMPLES * cell)).log()
