"""Samples of z from a fixed encoder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.data.latent_rows import Rows
from priory.distributions import GaussianMixture
from priory.evaluation import Estimate, cross_entropy
from priory.networks.calls import Encoder, call
from priory.networks.context import Context
from priory.networks.modes import all_behind, evaluation_mode
from priory.priors import Prior
from priory.priors.parts.posteriors import encode_in_blocks
from priory.processes import Processes

MOST_DATA = 10_000
MOST_SAMPLES = 20_000


@contextmanager
def frozen(encoder: Encoder, but: nn.Module | None = None) -> Iterator[None]:
    """Freeze an encoder: evaluation mode, and no gradients for its parameters.

    Gradients still pass through it. Modes and `requires_grad` are restored at the end.

    Args:
        encoder: The encoder; for a function or a method, the modules that it uses.
        but: A module to leave unchanged if the encoder uses it: the prior to be trained, if the
            encoder is a method of the model that contains it.
    """
    kept = set() if but is None else {*but.modules()}
    modules = [module for module in all_behind(encoder) if module not in kept]
    learned = [
        parameter
        for module in modules
        for parameter in module.parameters(recurse=False)
        if parameter.requires_grad
    ]
    with evaluation_mode(modules):
        for parameter in learned:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in learned:
                parameter.requires_grad_(True)


@dataclass(frozen=True)
class Samples:
    """Samples of q(z|x) for evaluating a prior.

    Attributes:
        z: The samples, S for each of N examples, `(S, N, L)`.
        context: The context of the examples, for a prior that needs it.
        processes: The processes among which the examples are divided.
    """

    z: Tensor
    context: Context
    processes: Processes

    @classmethod
    def of(cls, rows: Rows, processes: Processes) -> "Samples":
        """Draw samples for estimates: from a limited number of examples, several each if few."""
        chosen = rows[torch.randperm(len(rows))[:MOST_DATA].to(rows.z.device)]
        number = max(2, min(10, MOST_SAMPLES // len(chosen))) if chosen.scale is not None else 1
        z = torch.stack([chosen.draw() for _ in range(number)])
        return cls(z, Context(labels=chosen.labels), processes)

    @torch.no_grad()
    def score(self, prior: Prior, encoder: Encoder | None) -> Estimate:
        """Return the cross-entropy of a prior, and leave the prior in evaluation mode."""
        prior.eval()
        return self.cross_entropy(lambda context: call(prior, encoder, context, "prior"))

    def cross_entropy(self, distribution: Callable[[Context], Distribution]) -> Estimate:
        """Return the cross-entropy of a distribution over z that may depend on the examples."""
        number = self.z.shape[1]
        if number < self.processes.count:
            return cross_entropy(distribution(self.context), self.z)
        rows = self.processes.share(number)
        return cross_entropy(distribution(self.context[rows]), self.z[:, rows], self.processes)


@dataclass(frozen=True)
class Latents:
    """Examples encoded by a fixed encoder.

    Posteriors that are diagonal Gaussians are computed once; any others are computed again for each
    draw.

    Attributes:
        encoder: The module that returns q(z|x).
        x: The examples, `(N, *data_shape)`.
        context: Their context, for an encoder or a prior that takes it.
        posteriors: Means and standard deviations, each `(N, L)`, the latter zero if the encoder
            returns points; None for any other kind.
    """

    encoder: Encoder
    x: Tensor
    context: Context
    posteriors: tuple[Tensor, Tensor] | None

    @classmethod
    @torch.no_grad()
    def of(cls, encoder: Encoder, x: Tensor, context: Context) -> "Latents":
        """Encode examples, only once if possible.

        Raises:
            TypeError: If the encoder does not return a distribution over vectors.
        """
        call(encoder, x[:1], context[:1])  # something that is not an encoder fails here
        try:
            return cls(encoder, x, context, encode_in_blocks(encoder, x, context))
        except TypeError:
            return cls(encoder, x, context, None)

    @torch.no_grad()
    def draw(self, index: Tensor) -> Tensor:
        """Draw one z for each example at some positions, `(B, L)`."""
        if self.posteriors is None:
            return call(self.encoder, self.x[index], self.context[index]).sample()
        loc, scale = self.posteriors
        index = index.to(loc.device)
        return torch.normal(loc[index], scale[index])

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Context]]:
        """Draw one z for each example, in batches, in an order determined by the seed."""
        order = torch.Generator().manual_seed(seed)
        for index in torch.randperm(len(self.x), generator=order).split(size):
            yield self.draw(index), Context(index=index, labels=self.context[index].labels)

    def samples(self, processes: Processes) -> Samples:
        """Draw samples for estimates: from a limited number of examples, several each if few."""
        chosen = torch.randperm(len(self.x))[:MOST_DATA]
        each = max(2, min(10, MOST_SAMPLES // len(chosen)))
        z = torch.stack([self.draw(chosen) for _ in range(each)])
        return Samples(z, self.context[chosen].to(z.device), processes)

    def aggregated_posterior(self) -> GaussianMixture | None:
        """Return q(z); None if it has no density, or is not a mixture of Gaussians."""
        if self.posteriors is None or not (self.posteriors[1] > 0).all():
            return None
        loc, scale = self.posteriors
        return GaussianMixture(loc.new_zeros(len(loc)), loc, scale)
