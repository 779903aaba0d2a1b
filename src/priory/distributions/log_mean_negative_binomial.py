"""The negative binomial with a log-mean and a dispersion, accurate for large counts."""

import torch
from jaxtyping import Float
from torch import Tensor, broadcast_shapes
from torch.distributions import NegativeBinomial, constraints
from torch.distributions.utils import lazy_property
from torch.nn.functional import logsigmoid

from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Expandable

LARGEST = 1e9  # lgamma in float64 resolves this to 4e-6
SMALL = 4096  # with fewer counts it is not worth skipping zeros


_transforms_are_active = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


def log_coefficient(x: Float[Tensor, "..."], theta: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""Return $\log \Gamma(x + \theta) - \log \Gamma(\theta) - \log x!$, which is 0 at x = 0.

    If most counts are 0, as for genes in cells, only the others are computed.
    """
    fixed = (
        torch.compiler.is_compiling() or _transforms_are_active()
    )  # nothing may depend on values here
    if fixed or x.numel() < SMALL or 2 * int((some := x != 0).sum()) > x.numel():
        return _log_coefficient(x, theta)
    shape = broadcast_shapes(x.shape, theta.shape)
    if x.shape != shape:
        return _log_coefficient(x, theta)
    whole = x.new_zeros(shape)
    return whole.masked_scatter(some, _log_coefficient(x[some], theta.expand(shape)[some]))


def _log_coefficient(x: Tensor, theta: Tensor) -> Tensor:
    # Beyond this, the difference of the two lgammas is a logarithm; the middle needs no gradient.
    near, middle = x.clamp(max=LARGEST), theta.detach() / 2
    beyond = (theta - 1) * ((x + middle) / (near + middle)).log()
    return (near + theta).lgamma() - (near + 1).lgamma() - theta.lgamma() + beyond


class LogMeanNegativeBinomial(
    Expandable,
    NegativeBinomial,
    expands={"log_mean": 0, "_param": 0, "dispersion": 0},
    keeps=("_unexpanded", "_dtype"),
):
    r"""Torch's `NegativeBinomial`, from a log-mean and a dispersion, computed in float64.

    $$\log P(x) = \log \frac{\Gamma(x + \theta)}{\Gamma(\theta)\, x!}
    + \theta \log \frac{\theta}{\theta + \mu} + x \log \frac{\mu}{\theta + \mu}$$

    with the mean μ and the variance $\mu + \mu^2 / \theta$; torch counts successes before θ
    failures, at odds of μ/θ. The terms are large and nearly cancel, and so do those of the gradient
    in the dispersion 1/θ: in float32 at $\mu = x = 10^6$ and $\theta = 10^4$ the result is -9.25
    instead of -10.13. Here they are computed in float64 and only their sum is rounded, so the
    result is accurate to $10^{-4} + 2^{-23} |\log P|$ nats for means from $10^{-6}$ to $10^8$ and
    dispersions from $10^{-4}$ to $10^4$. On a device without float64 (Apple's GPUs) the errors are
    torch's: for counts within three standard deviations, up to 0.03 nats at means of 1e4 and
    dispersions to 1, then 4 at 1e6 and 500 at 1e8; 1 and 50 at dispersions of 100. Everything else
    is torch's.

    Args:
        log_mean: log μ, `(*batch)`.
        dispersion: 1/θ, `(*batch)`; the two are broadcast.
        dtype: The dtype of means, samples and log-probabilities; by default that of `log_mean`.
        validate_args: As in every torch distribution.

    Raises:
        ValueError: If a log-mean is NaN or a dispersion is not above zero.

    Examples:
        >>> import torch
        >>> from priory.distributions import LogMeanNegativeBinomial
        >>> x = torch.tensor(1e6)
        >>> p = LogMeanNegativeBinomial(x.log(), torch.tensor(1e-4))
        >>> round(p.log_prob(x).item(), 4)  # torch's own: -9.25
        -10.1343
    """

    arg_constraints = {  # noqa: RUF012 (torch's own declaration)
        "log_mean": constraints.real,
        "dispersion": constraints.positive,
    }

    log_mean: Tensor
    dispersion: Tensor

    def __init__(
        self,
        log_mean: Float[Tensor, "..."],
        dispersion: Float[Tensor, "..."],
        dtype: torch.dtype | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._unexpanded = (log_mean, dispersion)
        shape = broadcast_shapes(log_mean.shape, dispersion.shape)
        self.log_mean = self._param = log_mean.expand(shape)
        self.dispersion = dispersion.expand(shape)
        self._dtype = dtype or log_mean.dtype
        super(NegativeBinomial, self).__init__(self.log_mean.shape, validate_args=validate_args)

    @lazy_property
    def total_count(self) -> Float[Tensor, "*batch"]:
        """Return θ."""
        return self.dispersion.reciprocal().to(self._dtype)

    @lazy_property
    def logits(self) -> Float[Tensor, "*batch"]:
        """Return log μ/θ."""
        return (self.log_mean + self.dispersion.log()).to(self._dtype)

    @property
    def mean(self) -> Float[Tensor, "*batch"]:
        """The mean μ."""
        return self.log_mean.exp().to(self._dtype)

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """Return log P(x) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args:
            self._validate_sample(value)
        # A dispersion per dimension stays small: its logarithm and lgamma cost nothing.
        x, (log_mean, dispersion) = widened(value), map(widened, self._unexpanded)
        theta = dispersion.reciprocal()
        log_odds = log_mean + dispersion.log()
        log_share = logsigmoid(
            log_odds
        )  # not softplus, which is cut off where e^-20 x still matters
        coefficient = log_coefficient(x, theta)
        log_prob = coefficient + (x + theta) * log_share - theta * log_odds
        log_prob = log_prob.to(torch.promote_types(value.dtype, self._dtype))
        return log_prob.expand(broadcast_shapes(value.shape, self.batch_shape))
