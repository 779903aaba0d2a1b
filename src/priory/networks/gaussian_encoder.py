"""The diagonal Gaussian posterior."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from priory.networks.context import Context
from priory.networks.labels import call_network


class GaussianEncoder(nn.Module):
    r"""The posterior $q(z \mid x) = \mathcal{N}(z \mid \mu(x), \mathrm{diag}\,\sigma(x)^2)$.

    Args:
        network: A module from data, mapped to [-1, 1], to `(*batch, 2 L)`: the means beside the
            logarithms of the standard deviations.
        data_range: The smallest and the largest value a datum can take.

    Raises:
        ValueError: If the range is empty.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.

    Examples:
        >>> import torch
        >>> from priory import MLP, GaussianEncoder
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> encoder(torch.zeros(5, 8, 8)).event_shape
        torch.Size([2])

    """

    centre: Tensor
    half_width: Tensor

    def __init__(self, network: nn.Module, data_range: Sequence[float] = (0.0, 1.0)) -> None:
        super().__init__()
        low, high = self.data_range = tuple(map(float, data_range))
        if not low < high:
            raise ValueError(f"expected data_range=(low, high) with low < high, got {low}, {high}.")
        self.network = network
        self.register_buffer("centre", torch.tensor((high + low) / 2), persistent=False)
        self.register_buffer("half_width", torch.tensor((high - low) / 2), persistent=False)

    def forward(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return q(z|x) with batch shape `(*batch,)` and event shape `(L,)`."""
        x = (x.to(self.centre.dtype) - self.centre) / self.half_width
        out = call_network(self.network, x, context)
        loc, log_scale = out.chunk(2, dim=-1)
        return Independent(Normal(loc, log_scale.exp()), 1)
