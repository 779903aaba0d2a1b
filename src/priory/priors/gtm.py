"""The prior of generative topographic mapping."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.networks.context import Context, Encoder
from priory.networks.mlp import MLP
from priory.priors.base import Prior
from priory.priors.parts.grid import plane_grid, side_of
from priory.priors.parts.sheet import fit_last_layer, plane_start


class GTMPrior(Prior):
    r"""A mixture of Gaussians whose means and scales a network draws from a grid in the plane.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu(g_k), \mathrm{diag}\,\sigma(g_k)^2)$$

    The points $g_k$ of the grid are fixed. Neighbours on the grid are neighbours in the latent
    space, for the network is smooth: the mixture is a rubber sheet.

    It starts as a flat one, spread over a plane of the latent space (at random, where there are
    more than two dimensions) with a standard deviation of one along each side of the grid. The
    components' scales start at half the distance of neighbours, or at one with more dimensions.

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The number of components asked for. The grid is the smallest square that
            holds as many; K is the number of its points.
        grid_side: The number of points along each side of the grid, where it is not to follow from
            `num_components`; K is its square.
        grid_extent: The grid covers the square from -extent to extent. The larger, the more the
            sheet can fold; where it starts does not depend on it.
        hidden_sizes: The widths of the hidden layers of the network.

    Raises:
        ValueError: If `latent_dim`, `num_components`, `grid_side` or a width is below one, or
            `grid_extent` is not above zero.

    Reference:
        Bishop, Svensén & Williams, *GTM: The Generative Topographic Mapping*, Neural Computation
        1998, whose start from principal components this is, for data from the standard prior;
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1.

    Examples:
        >>> from priory import GTMPrior
        >>> prior = GTMPrior(latent_dim=2, num_components=16)
        >>> prior.grid_side, prior().sample((100,)).shape
        (4, torch.Size([100, 2]))

    """

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
        if latent_dim < 1:
            raise ValueError(f"expected at least one latent dimension, got {latent_dim}.")
        self.latent_dim = latent_dim
        self.grid_side = side_of(num_components, grid_side)
        self.num_components = self.grid_side**2
        self.grid_extent = float(grid_extent)
        self.hidden_sizes = tuple(hidden_sizes)
        self.register_buffer("grid", plane_grid(self.grid_side, grid_extent), persistent=False)
        self.network = MLP((2,), (2 * latent_dim,), self.hidden_sizes)
        start, scale = plane_start(self.grid, latent_dim)
        fit_last_layer(
            self.network, self.grid, torch.cat([start, torch.full_like(start, scale).log()], -1)
        )
        self.logits = nn.Parameter(torch.zeros(self.num_components))

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture:
        """Return the mixture; the encoder is not used."""
        loc, log_scale = self.network(self.grid).chunk(2, dim=-1)
        return GaussianMixture(self.logits, loc, log_scale.exp())

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Do nothing: the sheet starts flat, wherever the data are."""
