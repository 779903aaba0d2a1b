"""The diagonal Gaussian posterior."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from priory.distributions.torch_distributions import Independent
from priory.networks.constants import add_constant
from priory.networks.context import Context
from priory.networks.data_range import DataRange, checked_range, range_tensors
from priory.networks.head import Head

TransformName = Literal["linear", "log1p", "log1p-of-shares"]
TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "log1p": torch.log1p,
    "log1p-of-shares": lambda x: torch.log1p(x / x.mean(-1, keepdim=True).clamp_min(TINY)),
}
TINY = 1e-6


class ScaledData(nn.Module):
    """A module that first maps data to [-1, 1]; its arguments are those of a `GaussianEncoder`."""

    centre: Tensor
    half_width: Tensor

    def set_range(self, data_range: DataRange, transform: TransformName) -> None:
        """Store the range of the data, and the transformation before they are mapped."""
        self.data_range = checked_range(data_range)
        self.transform = transform
        low, high = range_tensors(self.data_range)
        if transform != "linear" and np.min(self.data_range[0]) < 0:
            raise ValueError(
                f"expected data_range from zero upwards with transform={transform!r}, got "
                f"{self.data_range}."
            )
        if transform != "linear":
            low, high = low.log1p(), high.log1p()
        add_constant(self, "centre", (high + low) / 2)
        add_constant(self, "half_width", (high - low) / 2)

    def scaled(self, x: Tensor) -> Tensor:
        """Return data in the form that the networks take."""
        x = TRANSFORMS[self.transform](x.to(self.centre.dtype))
        return (x - self.centre) / self.half_width


class GaussianEncoder(Head, ScaledData):
    r"""The posterior $q(z \mid x) = \mathcal{N}(z \mid \mu(x), \mathrm{diag}\,\sigma(x)^2)$.

    Args:
        network: A module from data, mapped to [-1, 1], to `(*batch, 2 L)`: the means and the
            logarithms of the standard deviations.
        data_range: The smallest and the largest value that data can take: two numbers, or a pair of
            nested lists with the shape of an example, one bound per dimension.
        transform: The transformation before data are mapped to [-1, 1]: `"linear"` for none,
            `"log1p"` for log(1 + x), which suits counts; `"log1p-of-shares"` for $\log(1 + x_d /
            \bar x)$ with the mean $\bar x$ over the dimensions of the example, which suits counts
            whose total is not informative.

    Raises:
        ValueError: If the range is empty in a dimension, or includes negative values with a
            logarithm.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.

    Examples:
        >>> import torch
        >>> from priory import MLP, GaussianEncoder
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> encoder(torch.zeros(5, 8, 8)).event_shape
        torch.Size([2])
    """

    knows_batches = False  # pseudo-inputs have no batch

    def __init__(
        self,
        network: nn.Module,
        data_range: DataRange = (0.0, 1.0),
        transform: TransformName = "linear",
    ) -> None:
        super().__init__(network)
        self.set_range(data_range, transform)

    def forward(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return q(z|x) with batch shape `(*batch,)` and event shape `(L,)`."""
        return gaussian(self.outputs(self.scaled(x), context))


def gaussian(out: Tensor) -> Independent:
    """Return N(μ, σ²) from the means and the logarithms of the scales, `(*batch, 2 L)`."""
    loc, log_scale = out.chunk(2, dim=-1)
    return Independent(Normal(loc, log_scale.exp()), 1)
