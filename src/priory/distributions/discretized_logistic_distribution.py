"""The logistic distribution over whole numbers."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from priory.distributions.torch_distributions import Expandable


class DiscretizedLogistic(Expandable, expands={"loc": 0, "scale": 0}, keeps=("num_values",)):
    r"""A logistic distribution in which each whole number $0, \dots, V-1$ has its own interval.

    $$P(x) = \mathrm{sigmoid}\Big(\frac{x + \frac12 - \mu}{s}\Big)
    - \mathrm{sigmoid}\Big(\frac{x - \frac12 - \mu}{s}\Big)$$

    The interval of 0 starts at $-\infty$ and that of $V-1$ ends at $\infty$, so the masses sum to
    one. Log-masses are in nats and computed as

    $$\log P(x) = \log\mathrm{sigmoid}(a) + \log\mathrm{sigmoid}(-b) + \log(1 - e^{-1/s})$$

    with a and b the two arguments above: no difference of nearly equal numbers, and no threshold
    beyond which it is only approximate.

    Args:
        loc: The location μ in units of the values, `(*batch)`; it may be outside 0 to V − 1.
        scale: The scale s of the logistic in the same units, `(*batch)`; its standard deviation is
            $\pi / \sqrt 3$ times that.
        num_values: The number of values V.
        validate_args: As in every torch distribution.

    Raises:
        ValueError: If a scale is not positive, or there are fewer than two values.

    Reference:
        Kingma et al., *Improving Variational Inference with Inverse Autoregressive Flow*, 2016,
        and Salimans et al., *PixelCNN++*, 2017, equation 2 (of one component); both use units of x,
        μ and s in which the values span an interval of length one or two.

    Examples:
        >>> import torch
        >>> from priory.distributions import DiscretizedLogistic
        >>> p = DiscretizedLogistic(torch.tensor(3.2), torch.tensor(0.8), num_values=8)
        >>> round(p.log_prob(torch.arange(8)).exp().sum().item(), 5)
        1.0
    """

    arg_constraints = {  # noqa: RUF012 (torch's own declaration)
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    has_rsample = False

    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        loc: Float[Tensor, "..."],
        scale: Float[Tensor, "..."],
        num_values: int = 256,
        validate_args: bool | None = None,
    ) -> None:
        if num_values < 2:
            raise ValueError(f"expected at least two values, got num_values={num_values}.")
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.num_values = num_values
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The whole numbers from 0 to V − 1."""
        return constraints.integer_interval(0, self.num_values - 1)

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """Return log P(x) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args:
            self._validate_sample(value)
        value = value.to(self.loc.dtype)
        first, last = value == 0, value == self.num_values - 1
        below = logsigmoid((value + 0.5 - self.loc) / self.scale)
        above = logsigmoid((self.loc - value + 0.5) / self.scale)
        width = torch.log(-torch.expm1(-1 / self.scale))
        return (
            below.masked_fill(last, 0)
            + above.masked_fill(first, 0)
            + torch.where(first | last, 0, width)
        )

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "..."]:
        """Draw from the logistic, round, and clamp to the nearest value."""
        shape = self._extended_shape(Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        logistic = self.loc + self.scale * uniform.logit()
        return logistic.round().clamp(0, self.num_values - 1)

    @property
    def mean(self) -> Float[Tensor, "..."]:
        r"""The exact mean, $\sum_{v=1}^{V-1} P(x \ge v)$; V − 1 passes over the batch."""
        total = torch.zeros_like(self.loc)
        for v in range(1, self.num_values):
            total = total + ((self.loc - v + 0.5) / self.scale).sigmoid()
        return total
