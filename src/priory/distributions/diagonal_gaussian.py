"""What is asked of diagonal Gaussians, and of other independent dimensions."""

from typing import cast

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal


def loc_and_scale(
    distribution: Distribution,
) -> tuple[Float[Tensor, "*batch L"], Float[Tensor, "*batch L"]]:
    r"""Return the mean and the scale of a diagonal Gaussian.

    Mixtures of posteriors (the VampPrior, the aggregated posterior) read the posterior's parameters
    through this function.

    Args:
        distribution: `Independent(Normal(loc, scale), 1)`, with event shape `(L,)`.

    Returns:
        The mean and the standard deviation, each of shape `(*batch, L)`.

    Raises:
        TypeError: If the distribution is anything else.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory.distributions import loc_and_scale
        >>> q = Independent(Normal(torch.zeros(3, 2), torch.ones(3, 2)), 1)
        >>> loc, scale = loc_and_scale(q)
        >>> loc.shape
        torch.Size([3, 2])

    """
    match distribution:
        case Independent(base_dist=Normal() as normal, reinterpreted_batch_ndims=1):
            return normal.loc, normal.scale
    got = type(distribution).__name__
    if isinstance(distribution, Independent):
        base, dims = type(distribution.base_dist).__name__, distribution.reinterpreted_batch_ndims
        got = f"Independent({base}, {dims})"
    raise TypeError(
        "expected a diagonal Gaussian over vectors, Independent(Normal(loc, scale), 1), from the "
        f"encoder, got {got}; let it return one, or use a prior that needs no encoder."
    )


def log_prob_of(distribution: Distribution, value: Tensor) -> Float[Tensor, "..."]:
    """Return the log-density of a distribution, of no values too.

    Torch's `Independent` gives the same, but refuses a batch of size zero.

    Args:
        distribution: Any distribution.
        value: What its `log_prob` takes.

    """
    match distribution:
        case Independent(base_dist=base, reinterpreted_batch_ndims=1):
            return cast(Tensor, base.log_prob(value).sum(-1))
    return distribution.log_prob(value)
