"""The prior's log-density over a plane of the latent space, and samples of q(z) in it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

CELLS = 200
SAMPLES = 200_000


@dataclass(frozen=True)
class LatentMap:
    """What the figure of the latent space shows.

    Attributes:
        title: The name of the prior.
        x: Where the columns lie, `(W,)`.
        y: Where the rows lie, `(H,)`; one row for a single latent dimension.
        log_density: log p(z), `(H, W)`, in nats.
        points: Samples of q(z|x), one for each datum, `(N, 2)`; `(N, 1)` for a single dimension.
        axes: The names of the axes.

    """

    title: str
    x: Float[Tensor, " W"]
    y: Float[Tensor, " H"]
    log_density: Float[Tensor, "H W"]
    points: Float[Tensor, "N dims"]
    axes: tuple[str, str]


@torch.no_grad()
def latent_map(
    title: str,
    prior: Distribution,
    z: Float[Tensor, "N L"],
    limits: tuple[float, float] | None = None,
) -> LatentMap:
    """Evaluate the prior over the plane that shows most of q(z).

    With one or two latent dimensions the density is exact. With more, it is that of the plane of
    the two leading principal directions of q(z), from a smoothed histogram of prior samples.

    Args:
        title: The name of the prior.
        prior: Its distribution.
        z: One sample of q(z|x) for each datum.
        limits: The ends of both axes; by default just beyond the samples and three standard
            deviations of the prior.

    Examples:
        >>> from priory import MoGPrior
        >>> from priory.report import latent_map
        >>> latent_map("MoG", MoGPrior(2, 16)(), torch.randn(100, 2)).log_density.shape
        torch.Size([200, 200])

    """
    dims = z.shape[-1]
    plane = None
    axes = ("z₁", "log p(z)" if dims == 1 else "z₂")
    if dims > 2:
        plane = torch.linalg.svd(z - z.mean(0), full_matrices=False).Vh[:2].T
        z = z @ plane
        axes = ("first principal direction of q(z)", "second")
    low, high = limits or _limits(prior, z, plane)
    line = torch.linspace(low, high, CELLS)
    if dims == 1:
        return LatentMap(title, line, line[:1], prior.log_prob(line[:, None])[None], z, axes)
    if plane is None:
        y, x = torch.meshgrid(line, line, indexing="ij")
        return LatentMap(title, line, line, prior.log_prob(torch.stack((x, y), -1)), z, axes)
    return LatentMap(title, line, line, _histogram(prior, plane, low, high), z, axes)


def common_limits(maps: list[LatentMap]) -> tuple[float, float]:
    """Return the ends of axes that hold every map."""
    return min(float(m.x[0]) for m in maps), max(float(m.x[-1]) for m in maps)


def _limits(prior: Distribution, z: Tensor, plane: Tensor | None) -> tuple[float, float]:
    spread = prior.sample(torch.Size((2000,)))
    spread = spread if plane is None else spread @ plane
    reach = spread.mean(0) + 3 * spread.std(0) * torch.tensor([[-1.0], [1.0]])
    both = torch.cat((z, reach))
    margin = 0.05 * float(both.max() - both.min())
    return float(both.min()) - margin, float(both.max()) + margin


def _histogram(prior: Distribution, plane: Tensor, low: float, high: float) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        samples = prior.sample(torch.Size((SAMPLES,))) @ plane
    edges = torch.linspace(low, high, CELLS + 1)
    counts = torch.histogramdd(samples.flip(-1), [edges, edges]).hist
    kernel = torch.exp(-0.5 * (torch.arange(-6, 7) / 2.0).square())
    kernel = torch.outer(kernel, kernel) / kernel.sum().square()
    smooth = nn.functional.conv2d(counts[None, None], kernel[None, None], padding="same")[0, 0]
    cell = ((high - low) / CELLS) ** 2
    return (smooth / (SAMPLES * cell)).log()
