"""The prior from generative topographic mapping."""

from collections.abc import Sequence

from priory.priors.mixture import MixturePrior
from priory.priors.parts.grid import SheetComponents


class GTMPrior(MixturePrior):
    r"""A mixture of Gaussians whose means and scales a network computes from a grid in the plane.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu(g_k), \mathrm{diag}\,\sigma(g_k)^2)$$

    The points $g_k$ of the grid are fixed. Neighbours on the grid are neighbours in the latent
    space, because the network is smooth: the mixture is a rubber sheet.

    It starts flat, spread over a plane of the latent space (a random one, if there are more than
    two dimensions) with a standard deviation of one along each side of the grid. The initial scales
    of the components are half the distance of neighbours, or one with more dimensions.

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The requested number of components. The grid is the smallest square with at
            least this many points; K is the number of its points.
        grid_side: The number of points along each side of the grid, if it should not follow from
            `num_components`; K is its square.
        grid_extent: The grid covers the square from -extent to extent. The larger it is, the more
            the sheet can fold; the initial positions do not depend on it.
        hidden_sizes: The widths of the hidden layers of the network.

    Raises:
        ValueError: If `latent_dim`, `num_components`, `grid_side` or a width is below one, or
            `grid_extent` is not above zero.

    Reference:
        Bishop, Svensén & Williams, *GTM: The Generative Topographic Mapping*, Neural Computation
        1998, whose initialisation from principal components this is, for data from the standard
        prior; Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1.

    Examples:
        >>> from priory import GTMPrior
        >>> prior = GTMPrior(latent_dim=2, num_components=16)
        >>> prior.grid_side, prior().sample((100,)).shape
        (4, torch.Size([100, 2]))
    """

    def __init__(
        self,
        latent_dim: int,
        num_components: int | None = None,
        grid_side: int | None = None,
        grid_extent: float = 1.0,
        hidden_sizes: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__(
            SheetComponents(latent_dim, num_components, grid_side, grid_extent, hidden_sizes)
        )
