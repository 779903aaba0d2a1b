"""How much of the data each component of a mixture explains."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from priory.arrays import Array
from priory.distributions import FactorizedGaussianMixture, GaussianMixture, loc_and_scale
from priory.networks.context import Context, Encoder, call, given
from priory.networks.home import taken

Mixture = GaussianMixture | FactorizedGaussianMixture

DEAD = 0.01
"""A component is dead below this part of an equal share of the data."""

AT_ONCE = 4096


@torch.no_grad()
def mean_responsibilities(p: Mixture, z: Float[Tensor, "*points L"]) -> Float[Tensor, " K"]:
    r"""Return the share of the points that each component explains, $\frac1N \sum_n p(k|z_n)$."""
    total = p.logits.new_zeros(p.logits.shape[-1])
    count = 0
    for part in z.split(AT_ONCE) if z.dim() == 2 and not p.batch_shape else (z,):
        share = p.responsibilities(part).flatten(0, -2)
        total, count = total + share.sum(0), count + len(share)
    return total / count


def dead_positions(share: Float[Tensor, " K"], threshold: float = DEAD) -> Int[Tensor, " D"]:
    """Return which components have less than a part `threshold` of an equal share, 1/K."""
    (dead,) = (share < threshold / len(share)).nonzero(as_tuple=True)
    return dead


@dataclass(frozen=True)
class Explained:
    """How a mixture explains data.

    Attributes:
        loc: The means of q(z|x), `(N, L)`.
        scale: Its standard deviations, `(N, L)`.
        z: One sample of q(z|x) for each datum, `(N, L)`.
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
    """Encode data and ask the prior for the density and the responsibilities, batch by batch.

    Args:
        prior: A prior whose call returns a mixture.
        encoder: The module that returns q(z|x) as a diagonal Gaussian.
        x: The data, `(N, *data_shape)`.
        context: What is known of them.

    Raises:
        ValueError: If there are no data.

    """
    x = taken(x, encoder)
    if len(x) == 0:
        raise ValueError("expected at least one datum, got none.")
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
    for start in range(0, len(x), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        yield x[part], given(context)[part]


def log_prob_of(
    prior: Callable[..., Mixture], encoder: Encoder, z: Tensor, context: Context | None
) -> Tensor:
    """Return log p(z) in nats, `(N,)`, batch by batch."""
    parts = [prior(encoder, part).log_prob(batch) for batch, part in _batches(z, context)]
    return torch.cat(parts)
