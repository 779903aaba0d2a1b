"""The regular grid in the plane from which the components of a GTM come."""

import math

import torch
from torch import Tensor


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
