"""The grid in the plane from which the components of a GTM come, and inputs made from it."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from priory.networks.constants import add_constant
from priory.networks.data_range import DataRange
from priory.networks.mlp import MLP
from priory.priors.parts.posteriors import PseudoInputs


class GridInputs(PseudoInputs):
    """Pseudo-inputs that a network draws from the points of a square grid.

    At the start they lie near the middle of the range.

    Args:
        data_shape: The shape of one example.
        data_range: The smallest and the largest value an example can take: two numbers, or a pair
            of nested lists of the example's shape, for each dimension its own.
        num_components: The number of inputs asked for. The grid is the smallest square that holds
            as many; K is the number of its points.
        grid_side: The number of points along each side of the grid, where it is not to follow from
            `num_components`; K is its square.
        grid_extent: The grid covers the square from -extent to extent. The larger, the more the
            inputs differ at the start.
        hidden_sizes: The widths of the hidden layers of the network.

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
        """What the network makes of the grid, about the middle of the range."""
        points: Tensor = self.network(self.grid)
        return 0.5 + points

    def select(self, kept: Int[Tensor, " K"]) -> "GridInputs":
        """Refuse, as a grid is whole.

        Raises:
            ValueError: Always.

        """
        raise ValueError("expected inputs of which some can be left out, got those of a grid.")


def side_of(num_components: int | None, grid_side: int | None) -> int:
    """Return the side that is asked for, or else the smallest that holds as many components.

    Raises:
        ValueError: If neither is given, or one is below one.

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

    Raises:
        ValueError: If the extent is not above zero.

    Examples:
        >>> from priory.priors.parts.grid import plane_grid
        >>> plane_grid(side=2, extent=3.0)
        tensor([[-3., -3.],
                [-3.,  3.],
                [ 3., -3.],
                [ 3.,  3.]])

    """
    if not extent > 0:
        raise ValueError(f"expected a grid_extent above zero, got {extent}.")
    line = torch.linspace(-extent, extent, side) if side > 1 else torch.zeros(1)
    return torch.cartesian_prod(line, line)
