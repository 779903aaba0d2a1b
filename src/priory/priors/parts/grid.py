"""The grid in the plane of a GTM: inputs generated from it, and a sheet of components."""

import math
from collections.abc import Sequence
from typing import NoReturn

import torch
from jaxtyping import Int
from torch import Tensor, nn

from priory.arguments import above_zero, at_least
from priory.distributions import widened
from priory.networks.calls import Encoder
from priory.networks.constants import add_constant
from priory.networks.context import Context
from priory.networks.data_range import DataRange
from priory.networks.mlp import MLP
from priory.priors.parts.base import Components, ComponentsPart
from priory.priors.parts.posteriors import PseudoInputs


class GridInputs(PseudoInputs):
    """Pseudo-inputs that a network generates from the points of a square grid.

    Initially they are near the middle of the range. The arguments are those of a
    [`GTMVampPrior`][priory.priors.GTMVampPrior].

    Raises:
        ValueError: If `num_components`, `grid_side`, a width or an entry of `data_shape` is below
            one, the range is empty, or `grid_extent` is not above zero.
    """

    kind = "grid"

    grid: Tensor

    def __init__(
        self,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        num_components: int | None = None,
        grid_side: int | None = None,
        grid_extent: float = 1.0,
        hidden_sizes: Sequence[int] = (64, 64),
    ) -> None:
        side = side_of(num_components, grid_side)
        super().__init__(side**2, data_shape, data_range)
        self.grid_side = side
        self.grid_extent = float(grid_extent)
        self.hidden_sizes = tuple(hidden_sizes)
        add_constant(self, "grid", plane_grid(self.grid_side, grid_extent))
        self.network = MLP((2,), self.data_shape, self.hidden_sizes)

    @property
    def unit_inputs(self) -> Tensor:
        """The output of the network for the grid, around the middle of the range."""
        points: Tensor = self.network(self.grid)
        return 0.5 + points

    def select(self, kept: Int[Tensor, " K"]) -> NoReturn:
        """Refuse, because a grid is complete."""
        raise ValueError("expected inputs that can be selected individually, got those of a grid.")


def side_of(num_components: int | None, grid_side: int | None) -> int:
    """Return the requested side, or else the smallest for this many components.

    Examples:
        >>> from priory.priors.parts.grid import side_of
        >>> side_of(16, None), side_of(17, None), side_of(16, 8)
        (4, 5, 8)
    """
    wanted = num_components if grid_side is None else grid_side
    if wanted is None or wanted < 1:
        raise ValueError(
            "expected at least one component, or a grid with a side of at least one, "
            f"got num_components={num_components} and grid_side={grid_side}."
        )
    return grid_side or math.isqrt(wanted - 1) + 1


def plane_grid(side: int, extent: float) -> Tensor:
    """Return a grid of side² points over the square from -extent to extent, `(side², 2)`.

    Examples:
        >>> from priory.priors.parts.grid import plane_grid
        >>> plane_grid(side=2, extent=3.0)
        tensor([[-3., -3.],
                [-3.,  3.],
                [ 3., -3.],
                [ 3.,  3.]])
    """
    above_zero(grid_extent=extent)
    line = torch.linspace(-extent, extent, side) if side > 1 else torch.zeros(1)
    return torch.cartesian_prod(line, line)


RIDGE = 1e-4


class SheetComponents(ComponentsPart):
    """Gaussians whose means and scales a network computes from the points of a square grid.

    It starts as a flat sheet, like a [`GTMPrior`][priory.priors.GTMPrior], and has the same
    arguments.

    Raises:
        ValueError: If `latent_dim`, `num_components`, `grid_side` or a width is below one, or
            `grid_extent` is not above zero.
    """

    kind = "sheet"

    grid: Tensor

    def __init__(
        self,
        latent_dim: int,
        num_components: int | None = None,
        grid_side: int | None = None,
        grid_extent: float = 1.0,
        hidden_sizes: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim)
        self.latent_dim = latent_dim
        self.grid_side = side_of(num_components, grid_side)
        self.num_components = self.grid_side**2
        self.grid_extent = float(grid_extent)
        self.hidden_sizes = tuple(hidden_sizes)
        add_constant(self, "grid", plane_grid(self.grid_side, grid_extent))
        self.network = MLP((2,), (2 * latent_dim,), self.hidden_sizes)
        if not self.grid.is_meta:  # on which nothing has values to start from
            start, scale = plane_start(self.grid, latent_dim)
            log_scale = torch.full_like(start, scale).log()
            fit_last_layer(self.network, self.grid, torch.cat([start, log_scale], -1))

    def forward(self, encoder: Encoder | None, context: Context) -> Components:
        """Return the components; the encoder is not used."""
        loc, log_scale = self.network(self.grid).chunk(2, dim=-1)
        return Components(loc, log_scale.exp())

    def select(self, kept: Int[Tensor, " K"]) -> NoReturn:
        """Refuse, because a sheet is complete."""
        raise ValueError("expected components that can be selected individually, got a sheet.")


@torch.no_grad()
def plane_start(grid: Tensor, latent_dim: int) -> tuple[Tensor, float]:
    """Return the initial positions of the points of a square grid, `(K, L)`, and their scale.

    This is the grid itself with a standard deviation of one along each side, in the plane of two
    dimensions or in a random plane of more. The scale is that of the standard prior if there are
    dimensions outside the plane, or else half the distance of neighbours.
    """
    spread = grid[:, 0].std(correction=0)
    if spread == 0:  # one point
        return grid.new_zeros(len(grid), latent_dim), 1.0
    if latent_dim == 2:
        plane = torch.eye(2)
    elif latent_dim > 2:
        plane = torch.linalg.qr(torch.randn(latent_dim, 2)).Q.mT
    else:
        plane = nn.functional.normalize(torch.randn(2, 1), dim=0)
    across = 1.0 if latent_dim > 2 else float((grid[1] - grid[0]).norm() / spread) / 2
    return grid / spread @ plane.to(grid), across


@torch.no_grad()
def fit_last_layer(network: MLP, x: Tensor, y: Tensor) -> None:
    """Fit the last layer so that x maps to y, `(N, C)`, by least squares with a small ridge."""
    *hidden, last = network.layers
    assert isinstance(last, nn.Linear)
    features = widened(nn.Sequential(*hidden)(x.flatten(1)))
    features = torch.cat([features, torch.ones_like(features[:, :1])], dim=-1)
    gram = features.mT @ features
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)
    penalty[-1, -1] = 1e-9  # the offset is not penalised
    weights = torch.linalg.solve(gram + penalty, features.mT @ widened(y))
    last.weight.copy_(weights[:-1].mT)
    last.bias.copy_(weights[-1])
