"""A prior with its context given, so that it looks like one of no context."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.networks.context import Context


class GivenContext(nn.Module):
    """A prior that is called with the encoder alone, for one datum of a context.

    Args:
        prior: The prior, called as `prior(encoder, context)`.
        context: What is known of the one datum: every part of it has length one.

    """

    def __init__(self, prior: nn.Module, context: Context) -> None:
        super().__init__()
        self.prior = prior
        self.context = context

    def forward(self, encoder: nn.Module) -> Distribution:
        """Return the distribution of the one datum, without a batch shape."""
        p: Distribution = self.prior(encoder, self.context)
        return OnlyOne(p) if p.batch_shape == (1,) else p


class OnlyOne(Distribution):
    """A distribution of batch shape `(1,)`, seen as one without a batch shape."""

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)

    def __init__(self, batched: Distribution) -> None:
        self.batched = batched
        super().__init__(Size(), batched.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """That of the batched distribution."""
        return self.batched.support

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density in nats, `(*sample,)`."""
        density: Tensor = self.batched.log_prob(value.unsqueeze(-2))
        return density.squeeze(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw samples, `(*sample, L)`."""
        return self.batched.sample(Size(sample_shape)).squeeze(-2)

    @property
    def mean(self) -> Tensor:
        """The mean, `(L,)`."""
        return self.batched.mean.squeeze(-2)

    @property
    def variance(self) -> Tensor:
        """The variance of each dimension, `(L,)`."""
        return self.batched.variance.squeeze(-2)

    def entropy(self) -> Tensor:
        """Return the entropy in nats."""
        value: Tensor = self.batched.entropy()
        return value.squeeze(-1)


def each(context: Context) -> list[Context]:
    """Return what is known of each datum of a context by itself."""
    return [context[slice(row, row + 1)] for row in range(len(context))]
