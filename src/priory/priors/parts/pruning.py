"""A smaller prior from the components that data use, and what it loses."""

import inspect
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from priory.arrays import Array
from priory.distributions import widened
from priory.networks.context import Context, Encoder
from priory.priors.base import Prior
from priory.priors.parts.usage import Mixture, explain, log_prob_of


@dataclass(frozen=True)
class Pruned:
    r"""A prior with fewer components.

    Attributes:
        prior: The new prior; the old one is as it was.
        loss_in_nats: $\mathbb{E}_q[\log p_\text{before}(z) - \log p_\text{after}(z)]$ over one
            sample of q(z|x) for each datum.
        standard_error: Its standard error over data.
        kept: The positions that the components had, `(K',)`, in rising order.

    """

    prior: Prior
    loss_in_nats: float
    standard_error: float
    kept: Int[Tensor, " K"]


@runtime_checkable
class WithComponents(Protocol):
    """A mixture prior that can be rebuilt from some of its components."""

    def __call__(self, encoder: Encoder, context: Context | None) -> Mixture:
        """Return p(z)."""

    def select(self, kept: Tensor) -> Prior:
        """Return a new prior of the components at these positions, their weights renormalised."""


@torch.no_grad()
def prune(
    prior: WithComponents,
    encoder: Encoder,
    data: Tensor | Array,
    keep: int | float,
    context: Context | None = None,
) -> Pruned:
    """Keep the components that explain most of the data, and measure what that costs.

    Args:
        prior: A mixture prior with a method `select`.
        encoder: The module that returns q(z|x) as a diagonal Gaussian.
        data: Data to judge by, `(N, *data_shape)`.
        keep: How many components to keep, or the fraction of the data (as a mean responsibility)
            that those that are kept have to explain.
        context: What is known of the data.

    Raises:
        ValueError: If `keep` is no number of components from 1 to K and no fraction above 0 up to
            1.0, or there are no data.

    """
    before = explain(prior, encoder, data, context)
    share, order = before.share.sort(descending=True)
    kept, _ = order[: _number(keep, share)].sort()
    smaller = prior.select(kept)
    loss = before.log_prob - log_prob_of(smaller, encoder, before.z, context)
    return Pruned(
        prior=smaller,
        loss_in_nats=float(loss.mean()),
        standard_error=float(loss.std()) / len(loss) ** 0.5,
        kept=kept,
    )


def _number(keep: int | float, share: Tensor) -> int:
    """Return how many components to keep of those with these shares, largest first."""
    if isinstance(keep, bool) or not (0 < keep <= (len(share) if isinstance(keep, int) else 1)):
        raise ValueError(
            f"expected to keep from 1 to {len(share)} components, or a fraction of the data "
            f"above 0 and up to 1.0, got keep={keep!r}."
        )
    if isinstance(keep, int):
        return keep
    enough = widened(share).cumsum(0) >= keep * (1 - 1e-6)
    return int((~enough).sum()) + 1 if enough.any() else len(share)


P = TypeVar("P", bound=Prior)


def rebuilt(prior: P, **changes: Any) -> P:
    """Return a new prior with the arguments of another, but for some changes."""
    names = inspect.signature(type(prior)).parameters
    new = type(prior)(**{**{name: getattr(prior, name) for name in names}, **changes})
    return new.to(next(prior.parameters())).train(prior.training)
