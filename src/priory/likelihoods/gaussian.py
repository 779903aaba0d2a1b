"""Real values."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import Likelihood, Observed
from priory.likelihoods.location_scale import LocationScale, pixel_shape
from priory.networks.context import Context
from priory.networks.data_range import DataRange, checked_range
from priory.networks.head import Head


class GaussianDecoder(Head):
    r"""Real values, independent given z, with means from a network.

    $$p(x \mid z) = \prod_d \mathcal{N}(x_d \mid c + w f_d(z),\, \sigma_d^2)$$

    with c the middle of the data's range and w half its width, so that network outputs in [-1, 1]
    cover the range. A learned standard deviation is $\sigma_d = w\,(m + e^{t_d})$ with the lower
    limit m: without it, the density of an exactly reconstructed example would be unbounded.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`; with
            `scale="network"` to f(z) and t(z), `(*batch, *data_shape, 2)`.
        scale: `"shared"` learns one t for all dimensions, `"network"` one per dimension as a
            function of z; a number is a fixed standard deviation, in units of the data.
        data_range: The smallest and the largest value an example can take: two numbers, or two
            nested lists with one number per dimension.
        min_scale: The lower limit m of a learned standard deviation, as a fraction of w.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, appendix C.2; Rybkin et al.,
        *Simple and Effective VAE Training with Calibrated Decoders*, ICML 2021, for the shared
        scale.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import GaussianDecoder
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
        super().__init__(network)
        self.scale = scale
        self.data_range = checked_range(data_range)
        self.min_scale = min_scale
        self.location_scale = LocationScale(scale, min_scale, self.data_range)

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        loc, scale = self.location_scale(self.outputs(z, context))
        return Independent(Normal(loc, scale), loc.dim() - z.dim() + 1)


@dataclass(frozen=True)
class GaussianLikelihood(Likelihood):
    """Real values around a mean.

    Attributes:
        low: The smallest value in the data; other data may be smaller.
        high: The largest value in the data; other data may be larger.
        scale: The decoder's scale: `"shared"`, `"network"` or a fixed number in units of the data.
        min_scale: The lower limit of a learned scale, as a fraction of half the range.
    """

    name: ClassVar[str] = "gaussian"
    decoder: ClassVar[type[nn.Module]] = GaussianDecoder
    advice: ClassVar[str] = "remove or fill in such values first"
    support: ClassVar[str] = "finite values"

    low: float
    high: float
    scale: float | Literal["shared", "network"] = "shared"
    min_scale: float = 1e-3

    @property
    def data_range(self) -> tuple[float, float]:
        """From the smallest to the largest value observed."""
        return (self.low, self.high)

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """A mean, and a scale if the network returns one."""
        return pixel_shape(self.scale)

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are finite."""
        return x.isfinite()

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Numbers that are not whole, or are negative, are Gaussian."""
        if observed.counts:
            return None
        kind = "whole numbers" if observed.whole else "numbers that are not all whole"
        return f"{kind} from {observed.low:g} to {observed.high:g}"

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the observed range, widened by one on each side if empty."""
        margin = 0.0 if observed.low < observed.high else 1.0
        return cls(why, observed.low - margin, observed.high + margin)
