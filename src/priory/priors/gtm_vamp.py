"""The VampPrior whose pseudo-inputs come from a grid in the plane."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.networks.context import Context, Encoder
from priory.networks.data_range import DataRange, checked_range, range_tensors
from priory.networks.mlp import MLP
from priory.priors.base import Prior
from priory.priors.parts.grid import plane_grid, side_of
from priory.priors.parts.pseudo_inputs import PosteriorsAt, fold


class GTMVampPrior(Prior):
    r"""A mixture of the encoder's posteriors at pseudo-inputs that a network draws from a grid.

    $$p(z) = \sum_{k=1}^K w_k \, q(z \mid u(g_k))$$

    The points $g_k$ of the grid are fixed, and the network is trained through the encoder. What it
    returns is folded into the data's range as the pseudo-inputs of a
    [`VampPrior`][priory.priors.VampPrior] are; at the start it lies near the middle of the range.

    Args:
        num_components: The number of components asked for. The grid is the smallest square that
            holds as many; K is the number of its points.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take: two numbers, or a pair of
            nested lists of the datum's shape, for each dimension its own.
        grid_side: The number of points along each side of the grid, where it is not to follow from
            `num_components`; K is its square.
        grid_extent: The grid covers the square from -extent to extent. The larger, the more the
            pseudo-inputs differ at the start.
        hidden_sizes: The widths of the hidden layers of the network.

    Raises:
        ValueError: If `num_components`, `grid_side`, a width or an entry of `data_shape` is below
            one, the range is empty, or `grid_extent` is not above zero.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1; Bishop, Svensén & Williams, *GTM:
        The Generative Topographic Mapping*, Neural Computation 1998.

    Examples:
        >>> from priory import MLP, GaussianEncoder, GTMVampPrior
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> prior = GTMVampPrior(num_components=16, data_shape=(8, 8), data_range=(0, 16))
        >>> prior(encoder).sample((100,)).shape
        torch.Size([100, 2])

    """

    grid: Tensor
    low: Tensor
    width: Tensor

    def __init__(
        self,
        num_components: int | None,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        grid_side: int | None = None,
        grid_extent: float = 1.0,
        hidden_sizes: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        self.grid_side = side_of(num_components, grid_side)
        self.num_components = self.grid_side**2
        self.data_shape = tuple(data_shape)
        self.data_range = checked_range(data_range, self.data_shape)
        low, high = range_tensors(self.data_range)
        self.grid_extent = float(grid_extent)
        self.hidden_sizes = tuple(hidden_sizes)
        self.register_buffer("grid", plane_grid(self.grid_side, grid_extent), persistent=False)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("width", high - low, persistent=False)
        self.network = MLP((2,), self.data_shape, self.hidden_sizes)
        self.logits = nn.Parameter(torch.zeros(self.num_components))
        self._posteriors_at = PosteriorsAt("GTMVampPrior")

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u, `(K, *data_shape)`, within the data's range."""
        return fold(0.5 + self.network(self.grid), self.low, self.width)

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture:
        """Encode every pseudo-input once and return the mixture of their posteriors.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            context: Not used.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.

        """
        loc, scale = self._posteriors_at(encoder, self.pseudo_inputs)
        return GaussianMixture(self.logits, loc, scale)

    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Do nothing: the network starts at random."""
