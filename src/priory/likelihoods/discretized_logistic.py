"""Grey levels."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arguments import at_least
from priory.distributions import DiscretizedLogistic
from priory.distributions.torch_distributions import Independent
from priory.likelihoods.base import GREY_LEVELS, LevelLikelihood, Likelihood, Observed
from priory.likelihoods.location_scale import LocationScale, pixel_shape
from priory.networks.context import Context
from priory.networks.head import Head


class DiscretizedLogisticDecoder(Head):
    r"""Values $0, \dots, V-1$ with an order, independent given z: a logistic in bins.

    $$p(x \mid z) = \prod_d \mathrm{sigmoid}\Big(\frac{x_d + \frac12 - \mu_d}{s_d}\Big)
    - \mathrm{sigmoid}\Big(\frac{x_d - \frac12 - \mu_d}{s_d}\Big), \qquad
    \mu_d = w\,(1 + f_d(z)), \quad w = \frac{V-1}{2}$$

    where the first interval starts at $-\infty$ and the last ends at $\infty$. A learned scale is
    $s_d = w\,(m + e^{t_d})$ with the lower limit m.

    Args:
        network: A module from z, `(*batch, L)`, to f(z), `(*batch, *data_shape)`; with
            `scale="network"` to f(z) and t(z), `(*batch, *data_shape, 2)`.
        num_values: The number of values V.
        scale: `"shared"` learns one t for all dimensions, `"network"` one per dimension as a
            function of z; a number is a fixed scale s, in units of the values.
        min_scale: The lower limit m of a learned scale, as a fraction of w.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016, for
        the shared scale; Salimans et al., *PixelCNN++*, 2017, for one from the network.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> from priory.likelihoods import DiscretizedLogisticDecoder
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
        super().__init__(network)
        at_least(2, num_values=num_values)
        self.num_values = num_values
        self.scale = scale
        self.min_scale = min_scale
        self.location_scale = LocationScale(scale, min_scale, (0, num_values - 1))

    def forward(self, z: Tensor, context: Context | None = None) -> Distribution:
        """Return p(x|z) with batch shape `(*batch,)` and the event shape of one example."""
        loc, scale = self.location_scale(self.outputs(z, context))
        logistic = DiscretizedLogistic(loc, scale, self.num_values)
        return Independent(logistic, loc.dim() - z.dim() + 1)


@dataclass(frozen=True)
class DiscretizedLogisticLikelihood(LevelLikelihood):
    """Levels 0 to V − 1 with an order, from a logistic in bins.

    Attributes:
        scale: The decoder's scale: `"shared"`, `"network"` or a fixed number in levels.
        min_scale: The lower limit of a learned scale, as a fraction of half the range.
    """

    name: ClassVar[str] = "discretized-logistic"
    decoder: ClassVar[type[nn.Module]] = DiscretizedLogisticDecoder
    advice: ClassVar[str] = (
        "convert the data to whole levels (for values between 0 and 1, round 255 times the "
        "value), or choose gaussian"
    )

    scale: float | Literal["shared", "network"] = "shared"
    min_scale: float = 1e-3

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """A location, and a scale if the network returns one."""
        return pixel_shape(self.scale)

    @classmethod
    def suits(cls, observed: Observed) -> str | None:
        """Whole numbers up to 255, too many for a categorical likelihood, are levels."""
        if observed.num_values is not None:
            return f"{observed.num_values} values, as requested"
        if observed.counts and observed.high < GREY_LEVELS:
            return (
                f"whole numbers from 0 to {int(observed.high)}, treated as {GREY_LEVELS} grey "
                "levels; for counts ask for negative-binomial"
            )
        return None

    @classmethod
    def from_data(cls, observed: Observed, why: str) -> Likelihood:
        """Return the likelihood with the requested number of levels, or 256."""
        return cls(why, GREY_LEVELS if observed.num_values is None else observed.num_values)
