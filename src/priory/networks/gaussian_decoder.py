"""The Gaussian likelihood."""

from typing import Literal

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from priory.networks.context import Context
from priory.networks.data_range import DataRange, checked_range
from priory.networks.labels import call_network
from priory.networks.location_scale import LocationScale


class GaussianDecoder(nn.Module):
    r"""Real values, independent given z, with means from a network.

    $$p(x \mid z) = \prod_d \mathcal{N}(x_d \mid c + w f_d(z),\, \sigma_d^2)$$

    with c the middle of the data's range and w half its width, so that a network that gives values
    in [-1, 1] covers the range. A learned standard deviation is $\sigma_d = w\,(m + e^{t_d})$ with
    the floor m: without one, a datum that is met exactly has no largest density.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`; with
            `scale="network"` to f(z) beside t(z), `(*batch, *data_shape, 2)`.
        scale: `"shared"` learns one t for all dimensions, `"network"` one for each dimension as a
            function of z; a number is a fixed standard deviation, in units of the data.
        data_range: The smallest and the largest value a datum can take: two numbers, or two nested
            lists with one number for each dimension.
        min_scale: The floor m of a learned standard deviation, as a fraction of w.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.2; Rybkin et al.,
        *Simple and Effective VAE Training with Calibrated Decoders*, ICML 2021, for the shared
        scale.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, GaussianDecoder
        >>> decoder = GaussianDecoder(MLP((2,), (28, 28, 2)), scale="network")
        >>> decoder(torch.zeros(5, 2)).log_prob(torch.rand(5, 28, 28)).shape
        torch.Size([5])

    """

    def __init__(
        self,
        network: nn.Module,
        scale: float | Literal["shared", "network"] = "shared",
        data_range: DataRange = (0.0, 1.0),
        min_scale: float = 1e-3,
    ) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.data_range = checked_range(data_range)
        self.min_scale = min_scale
        self.location_scale = LocationScale(scale, min_scale, self.data_range)

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one datum."""
        loc, scale = self.location_scale(call_network(self.network, z, context))
        return Independent(Normal(loc, scale), loc.dim() - z.dim() + 1)
