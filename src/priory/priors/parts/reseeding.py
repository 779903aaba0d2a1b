"""Components that no datum uses, moved to data that the prior explains worst."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from priory.arrays import Array
from priory.networks.context import Context, Encoder
from priory.priors.parts.base import ComponentsPart, Weights
from priory.priors.parts.usage import Explained, dead_positions

MOST_MASS = 0.5
"""The mass that new components share at the most: the others lose no more than log 2 nats."""


@runtime_checkable
class Reseedable(Protocol):
    """A prior whose dead components can be put to use again while it is trained.

    A trainer that wants it calls `reseed` between steps, with the training data (or a part of
    them), the encoder and what is known of these data, where `isinstance(prior, Reseedable)` says
    that it may. The call changes parameters in place and without a gradient, draws from torch's
    generator, and leaves the modes of all modules as they are. What an optimiser remembers of the
    components that were replaced is about others; it fades by itself.
    """

    def reseed(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> int:
        """Move the dead components and return how many there were.

        Args:
            x: Training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: What is known of these data.

        """


@torch.no_grad()
def move_dead(explained: Explained, x: Tensor, components: ComponentsPart, weights: Weights) -> int:
    """Move the dead components of a mixture to the examples that it explains worst.

    Args:
        explained: How the mixture explains the examples.
        x: The examples, `(N, *data_shape)`.
        components: The components of the mixture, changed in place.
        weights: Its weights, changed in place.

    Returns:
        How many were dead.

    Raises:
        ValueError: If the components are not free to be placed.

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
    """Return the positions of examples for new components, one at a time the worst explained.

    Each joins the mixture before the next is looked for, so that neighbours are not all taken.

    Args:
        explained: How the mixture explains the examples.
        count: How many.
        mass: The mixing weight that each will have.

    """
    log_prob, log_mass, taken = explained.log_prob.clone(), math.log(mass), []
    for _ in range(count):
        worst = log_prob.argmin()
        component = Independent(Normal(explained.loc[worst], explained.scale[worst]), 1)
        log_prob = log_prob.logaddexp(component.log_prob(explained.z) + log_mass)
        log_prob[worst] = torch.inf
        taken.append(worst)
    return torch.stack(taken)
