"""Components that no datum uses, moved to data that the prior explains worst."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from priory.networks.context import Context, Encoder
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

    def reseed(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> int:
        """Move the dead components and return how many there were.

        Args:
            x: Training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: What is known of these data.

        """


@torch.no_grad()
def move_dead(
    found: Explained, logits: Tensor, place: Callable[[Tensor, Tensor], None], *, learned: bool
) -> int:
    """Move the dead components of a mixture to the data that it explains worst.

    Args:
        found: How the mixture explains the data.
        logits: Its unnormalised log-weights, `(K,)` or `(G, K)`; changed in place.
        place: Takes the positions of components and those of the data to move them to.
        learned: Whether the log-weights are to change.

    Returns:
        How many were dead.

    """
    dead = dead_positions(found.share)[: len(found.z)]
    if len(dead) == 0:
        return 0
    mass = min(1 / logits.shape[-1], MOST_MASS / len(dead))
    place(dead, worst_explained(found, len(dead), mass))
    if learned:
        living = logits.index_fill(-1, dead, -torch.inf).log_softmax(-1)
        log_mass = torch.tensor([mass, 1 - mass * len(dead)]).log().tolist()
        logits.copy_((living + log_mass[1]).index_fill(-1, dead, log_mass[0]))
    return len(dead)


@torch.no_grad()
def worst_explained(found: Explained, count: int, mass: float) -> Tensor:
    """Return the positions of data for new components, one at a time the worst explained.

    Each joins the mixture before the next is looked for, so that neighbours are not all taken.

    Args:
        found: How the mixture explains the data.
        count: How many.
        mass: The mixing weight that each will have.

    """
    log_prob, log_mass, taken = found.log_prob.clone(), torch.tensor(mass).log().item(), []
    for _ in range(count):
        worst = log_prob.argmin()
        component = Independent(Normal(found.loc[worst], found.scale[worst]), 1)
        log_prob = log_prob.logaddexp(component.log_prob(found.z) + log_mass)
        log_prob[worst] = torch.inf
        taken.append(worst)
    return torch.stack(taken)
