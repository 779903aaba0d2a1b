"""How much of the data each component of a mixture explains, and pruning and re-seeding."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Independent, Normal

from priory.arrays import Array
from priory.blockwise import blocks
from priory.distributions import FactorizedGaussianMixture, GaussianMixture, loc_and_scale, widened
from priory.networks.calls import Encoder, call
from priory.networks.context import Context, given
from priory.networks.home import taken
from priory.priors.base import Prior
from priory.priors.parts.base import ComponentsPart, Weights

Mixture = GaussianMixture | FactorizedGaussianMixture

DEAD = 0.01
"""A component is dead below this fraction of an equal share of the data."""


@torch.no_grad()
def mean_responsibilities(p: Mixture, z: Float[Tensor, "*points L"]) -> Float[Tensor, " K"]:
    r"""Return the share of the points that each component explains, $\frac1N \sum_n p(k|z_n)$."""
    total = p.logits.new_zeros(p.logits.shape[-1])
    count = 0
    if z.dim() == 2 and not p.batch_shape:
        parts = [z[rows] for rows in blocks(len(z), p.logits.shape[-1])]
    else:
        parts = [z]
    for part in parts:
        share = p.responsibilities(part).flatten(0, -2)
        total, count = total + share.sum(0), count + len(share)
    return total / count


def dead_positions(share: Float[Tensor, " K"], threshold: float = DEAD) -> Int[Tensor, " D"]:
    """Return which components have less than a fraction `threshold` of an equal share, 1/K."""
    (dead,) = (share < threshold / len(share)).nonzero(as_tuple=True)
    return dead


@dataclass(frozen=True)
class Explained:
    """How a mixture explains data.

    Attributes:
        loc: The means of q(z|x), `(N, L)`.
        scale: Its standard deviations, `(N, L)`.
        z: One sample of q(z|x) for each example, `(N, L)`.
        log_prob: log p(z), in nats, `(N,)`.
        share: The mean responsibility of each component, `(K,)`.
    """

    loc: Tensor
    scale: Tensor
    z: Tensor
    log_prob: Tensor
    share: Tensor


@torch.no_grad()
def explain(
    prior: Callable[..., Mixture], encoder: Encoder, x: Tensor | Array, context: Context | None
) -> Explained:
    """Encode data and compute the density and the responsibilities of the prior, in batches."""
    x = taken(x, encoder)
    if len(x) == 0:
        raise ValueError("expected at least one example, got none.")
    parts, total = [], torch.zeros(())
    for batch, part in _batches(x, context):
        loc, scale = loc_and_scale(call(encoder, batch, part))
        z = torch.normal(loc, scale)
        p = prior(encoder, part)
        total = mean_responsibilities(p, z) * len(batch) + total.to(z)
        parts.append((loc, scale, z, p.log_prob(z)))
    loc, scale, z, log_prob = (torch.cat(part) for part in zip(*parts, strict=True))
    return Explained(loc, scale, z, log_prob, total / len(x))


def _batches(x: Tensor, context: Context | None) -> Iterator[tuple[Tensor, Context]]:
    for rows in blocks(len(x)):
        yield x[rows], given(context)[rows]


def log_prob_of(
    prior: Callable[..., Mixture], encoder: Encoder, z: Tensor, context: Context | None
) -> Tensor:
    """Return log p(z) in nats, `(N,)`, in batches."""
    parts = [prior(encoder, part).log_prob(batch) for batch, part in _batches(z, context)]
    return torch.cat(parts)


@dataclass(frozen=True)
class Pruned:
    r"""A prior with fewer components.

    Attributes:
        prior: The new prior; the old one is not changed.
        loss_in_nats: $\mathbb{E}_q[\log p_\text{before}(z) - \log p_\text{after}(z)]$ over one
            sample of q(z|x) for each example.
        standard_error: Its standard error over data.
        kept: The original positions of the components, `(K',)`, in ascending order.
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
        """Return a new prior with the components at these positions and renormalised weights."""


@torch.no_grad()
def prune(
    prior: WithComponents,
    encoder: Encoder,
    data: Tensor | Array,
    keep: int | float,
    context: Context | None = None,
) -> Pruned:
    """Keep the components that explain most of the data, and measure the loss.

    Args:
        prior: A mixture prior with a method `select`.
        encoder: The module that returns q(z|x) as a diagonal Gaussian.
        data: The data to evaluate on, `(N, *data_shape)`.
        keep: The number of components to keep, or the fraction of the data (as a mean
            responsibility) that the kept ones must explain.
        context: The context of the data.

    Raises:
        ValueError: If `keep` is neither a number of components from 1 to K nor a fraction above 0
            and up to 1.0, or there are no data.
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
    """Return how many components with these shares, largest first, to keep."""
    if isinstance(keep, bool) or not (0 < keep <= (len(share) if isinstance(keep, int) else 1)):
        raise ValueError(
            f"expected to keep from 1 to {len(share)} components, or a fraction of the data "
            f"above 0 and up to 1.0, got keep={keep!r}."
        )
    if isinstance(keep, int):
        return keep
    enough = widened(share).cumsum(0) >= keep * (1 - 1e-6)
    return int((~enough).sum()) + 1 if enough.any() else len(share)


MOST_MASS = 0.5
"""The maximum total mass of new components: the others lose at most log 2 nats."""


@runtime_checkable
class Reseedable(Protocol):
    """A prior whose dead components can be reused during training.

    A trainer can call `reseed` between steps, with the training data (or part of them), the encoder
    and the context of these data, if `isinstance(prior, Reseedable)`. The call changes parameters
    in place without gradients, draws from torch's generator, and leaves the modes of all modules
    unchanged. The optimiser's state for the replaced components is outdated, but fades on its own.
    """

    def reseed(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> int:
        """Move the dead components and return their number."""


@torch.no_grad()
def move_dead(explained: Explained, x: Tensor, components: ComponentsPart, weights: Weights) -> int:
    """Move the dead components of a mixture, in place, to the examples that it explains worst.

    Return the number of dead components.
    """
    dead = dead_positions(explained.share)[: len(explained.z)]
    if len(dead) == 0:
        return 0
    mass = min(1 / len(explained.share), MOST_MASS / len(dead))
    worst = worst_explained(explained, len(dead), mass)
    components.place(dead, x[worst.to(x.device)], explained.loc[worst], explained.scale[worst])
    weights.give(dead, mass)
    return len(dead)


@torch.no_grad()
def worst_explained(explained: Explained, count: int, mass: float) -> Tensor:
    """Return examples for new components: at each step, the worst explained one.

    Each is added to the mixture before the next search, so that neighbours are not all chosen.
    Each will have the mixing weight `mass`.
    """
    log_prob, log_mass, taken = explained.log_prob.clone(), math.log(mass), []
    for _ in range(count):
        worst = log_prob.argmin()
        component = Independent(Normal(explained.loc[worst], explained.scale[worst]), 1)
        log_prob = log_prob.logaddexp(component.log_prob(explained.z) + log_mass)
        log_prob[worst] = torch.inf
        taken.append(worst)
    return torch.stack(taken)
