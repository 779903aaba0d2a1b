"""The discretized logistic likelihood."""

from typing import Literal

from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from priory.distributions import DiscretizedLogistic
from priory.networks.context import Context
from priory.networks.labels import call_network
from priory.networks.location_scale import LocationScale


class DiscretizedLogisticDecoder(nn.Module):
    r"""Values $0, \dots, V-1$ with an order, independent given z: a logistic in bins.

    $$p(x \mid z) = \prod_d \mathrm{sigmoid}\Big(\frac{x_d + \frac12 - \mu_d}{s_d}\Big)
    - \mathrm{sigmoid}\Big(\frac{x_d - \frac12 - \mu_d}{s_d}\Big), \qquad
    \mu_d = w\,(1 + f_d(z)), \quad w = \frac{V-1}{2}$$

    where the first interval begins at $-\infty$ and the last ends at $\infty$. A learned scale is
    $s_d = w\,(m + e^{t_d})$ with the floor m.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`; with
            `scale="network"` to f(z) beside t(z), `(*batch, *data_shape, 2)`.
        num_values: The number of values V.
        scale: `"shared"` learns one t for all dimensions, `"network"` one for each dimension as a
            function of z; a number is a fixed scale s, in units of the values.
        min_scale: The floor m of a learned scale, as a fraction of w.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, for
        the shared scale; Salimans et al., *PixelCNN++*, 2017, for one from the network.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, DiscretizedLogisticDecoder
        >>> decoder = DiscretizedLogisticDecoder(MLP((2,), (28, 28)))
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.full((5, 28, 28), 255)).shape
        torch.Size([5])

    """

    def __init__(
        self,
        network: nn.Module,
        num_values: int = 256,
        scale: float | Literal["shared", "network"] = "shared",
        min_scale: float = 1e-3,
    ) -> None:
        super().__init__()
        if num_values < 2:
            raise ValueError(f"expected at least two values, got num_values={num_values}.")
        self.network = network
        self.num_values = num_values
        self.scale = scale
        self.min_scale = min_scale
        self.location_scale = LocationScale(scale, min_scale, (0, num_values - 1))

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one datum."""
        loc, scale = self.location_scale(call_network(self.network, z, context))
        logistic = DiscretizedLogistic(loc, scale, self.num_values)
        return Independent(logistic, loc.dim() - z.dim() + 1)
