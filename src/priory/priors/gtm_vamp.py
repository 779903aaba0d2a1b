"""A VampPrior whose pseudo-inputs come from a grid in the plane."""

from collections.abc import Sequence

from priory.networks.data_range import DataRange
from priory.priors.mixture import MixturePrior
from priory.priors.parts.grid import GridInputs
from priory.priors.parts.posteriors import Posteriors


class GTMVampPrior(MixturePrior):
    r"""A mixture of the encoder's posteriors at pseudo-inputs that a network generates from a grid.

    $$p(z) = \sum_{k=1}^K w_k \, q(z \mid u(g_k))$$

    The points $g_k$ of the grid are fixed, and the network is trained through the encoder. Its
    output is folded into the data's range like the pseudo-inputs of a
    [`VampPrior`][priory.priors.VampPrior]; initially it is near the middle of the range.

    Args:
        num_components: The requested number of components, as in a
            [`GTMPrior`][priory.priors.GTMPrior].
        data_shape: The shape of one example.
        data_range: The range of the data, as for a [`VampPrior`][priory.priors.VampPrior].
        grid_side: The number of points along each side of the grid, as in a `GTMPrior`.
        grid_extent: The grid covers the square from -extent to extent. The larger it is, the more
            the pseudo-inputs differ initially.
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

    def __init__(
        self,
        num_components: int | None,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        grid_side: int | None = None,
        grid_extent: float = 1.0,
        hidden_sizes: Sequence[int] = (64, 64),
    ) -> None:
        grid = (num_components, grid_side, grid_extent, hidden_sizes)
        super().__init__(Posteriors(GridInputs(data_shape, data_range, *grid)))
