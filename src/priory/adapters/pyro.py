"""A prior in the models of Pyro."""

from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.extras import needs
from priory.networks.contract import kind_of

with needs("pyro"):
    from pyro.distributions import TorchDistribution


def to_pyro(p: Any) -> "PyroDistribution":
    """Make a distribution of Pyro of what a prior returns, for `pyro.sample`.

    It is expanded by plates and masked as Pyro's own are, and goes with every ELBO, guide, sampler
    and predictive of Pyro's that a continuous distribution over vectors goes with. Where Pyro
    integrates a divergence in closed form, it estimates that from the sample.

    Args:
        p: The distribution, `prior(encoder)`; call the prior in the model, so that each step gets
            its own. Register the prior with `pyro.module("prior", prior)`, so that it is trained.

    Raises:
        ImportError: If Pyro is not installed.
        TypeError: If it is no distribution, such as the prior itself.

    Examples:
        >>> import priory
        >>> prior = priory.MoGPrior(2, num_components=8)
        >>> def model(x):
        ...     pyro.module("prior", prior)
        ...     with pyro.plate("data", len(x)):
        ...         z = pyro.sample("z", priory.adapters.pyro.to_pyro(prior()))
        ...         pyro.sample("x", pyro.distributions.Normal(z, 0.1).to_event(1), obs=x)
    """
    if not isinstance(p, Distribution):
        raise TypeError(
            f"expected a distribution, got {kind_of(p)}; call the prior, as to_pyro(prior(encoder))"
            " does."
        )
    return PyroDistribution(p)


class PyroDistribution(TorchDistribution):  # type: ignore[misc]
    """A distribution of torch with the methods that Pyro asks for.

    Attributes:
        base: The distribution itself.
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch's own declaration)

    def __init__(self, base: Distribution, validate_args: bool | None = None) -> None:
        self.base = base
        super().__init__(base.batch_shape, base.event_shape, validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:
        """Whether samples have gradients."""
        return bool(self.base.has_rsample)

    @property
    def support(self) -> Any:
        """Where the density is not zero."""
        return self.base.support

    @property
    def mean(self) -> Tensor:
        """The mean, where the distribution knows it."""
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        """The variances, where the distribution knows them."""
        return self.base.variance

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(z) in nats."""
        log_prob: Tensor = self.base.log_prob(value)
        return log_prob

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw samples with gradients."""
        drawn: Tensor = self.base.rsample(sample_shape)
        return drawn

    @torch.no_grad()
    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw samples."""
        drawn: Tensor = self.base.sample(sample_shape)
        return drawn

    def expand(self, batch_shape: Any, _instance: Any = None) -> "PyroDistribution":
        """Return the distribution for each example of a batch, as plates ask for."""
        return type(self)(self.base.expand(Size(batch_shape)))
