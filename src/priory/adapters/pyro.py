"""A prior in Pyro models."""

from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.extras import needs
from priory.networks.contract import kind_of

with needs("pyro"):
    from pyro.distributions import TorchDistribution


def to_pyro(p: Any) -> "PyroDistribution":
    """Turn the distribution that a prior returns into a Pyro distribution, for `pyro.sample`.

    Like Pyro's own distributions, it is expanded by plates and can be masked. It works with every
    Pyro ELBO, guide, sampler and predictive that accepts a continuous distribution over vectors.
    Where Pyro uses a closed-form divergence, this estimates it from the sample.

    Args:
        p: The distribution, `prior(encoder)`; call the prior in the model, so that each step uses
            its current parameters. Register the prior with `pyro.module("prior", prior)`, so that
            it is trained.

    Raises:
        ImportError: If Pyro is not installed.
        TypeError: If it is not a distribution, for example the prior itself.

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
    """A torch distribution with the methods that Pyro needs.

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
        """The support of the distribution."""
        return self.base.support

    @property
    def mean(self) -> Tensor:
        """The mean, if the distribution provides it."""
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        """The variances, if the distribution provides them."""
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
        """Return the distribution for each example of a batch, as plates require."""
        return type(self)(self.base.expand(Size(batch_shape)))
