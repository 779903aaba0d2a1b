"""Samples of z from an encoder that stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.evaluation import Estimate, cross_entropy
from priory.networks.context import Context, Encoder, call, given
from priory.networks.modes import all_behind, evaluation_mode
from priory.priors import Prior
from priory.priors.parts.posteriors import encode_in_blocks


@contextmanager
def frozen(encoder: Encoder, but: nn.Module | None = None) -> Iterator[None]:
    """Hold an encoder still: in evaluation mode, and without a gradient for its parameters.

    A gradient still passes through it. Modes and `requires_grad` are put back at the end.

    Args:
        encoder: The encoder; of a function or a method, the modules that it reaches.
        but: A module that is left as it is where the encoder reaches it: the prior that is to be
            trained, when the encoder is a method of the model that holds it.
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
class Labelled:
    """Data and, where a prior or an encoder needs them, their labels.

    Attributes:
        x: The data, `(N, *data_shape)`.
        labels: Their labels, `(N,)`; None without.
    """

    x: Tensor
    labels: Tensor | None

    def __getitem__(self, index: Tensor) -> "Labelled":
        return Labelled(self.x[index], None if self.labels is None else self.labels[index])

    @property
    def context(self) -> Context:
        """What an encoder or a prior is told of them."""
        return Context(labels=self.labels)


@dataclass(frozen=True)
class Samples:
    """Samples of q(z|x) by which a prior is judged.

    Attributes:
        z: The samples, S for each of N data, `(S, N, L)`.
        context: What is known of the data, for a prior that needs it.
    """

    z: Tensor
    context: Context

    @torch.no_grad()
    def score(self, prior: Prior, encoder: Encoder) -> Estimate:
        """Return the cross-entropy of a prior, which is left in evaluation mode."""
        prior.eval()
        return cross_entropy(call(prior, encoder, self.context, "prior"), self.z)


@dataclass(frozen=True)
class EncodedOnce:
    """Data whose posteriors are diagonal Gaussians, of which the parameters are all it takes.

    Attributes:
        loc: Their means, `(N, L)`.
        scale: Their standard deviations, `(N, L)`; zero where the encoder gives points.
    """

    loc: Tensor
    scale: Tensor

    def draw(self, index: Tensor) -> Tensor:
        """Draw one z for each datum, `(B, L)`."""
        index = index.to(self.loc.device)
        return torch.normal(self.loc[index], self.scale[index])

    def aggregated_posterior(self) -> GaussianMixture | None:
        """Return q(z); None where it has no density."""
        if not (self.scale > 0).all():
            return None
        return GaussianMixture(self.loc.new_zeros(len(self.loc)), self.loc, self.scale)


@dataclass(frozen=True)
class EncodedAnew:
    """Data whose posteriors are of any other kind, and are made again for each draw.

    Attributes:
        encoder: The module that returns q(z|x).
        x: The data, `(N, *data_shape)`.
        context: What is known of them, for an encoder that takes it.
    """

    encoder: Encoder
    x: Tensor
    context: Context

    @torch.no_grad()
    def draw(self, index: Tensor) -> Tensor:
        """Draw one z for each datum, `(B, L)`."""
        return call(self.encoder, self.x[index], self.context[index]).sample()

    def aggregated_posterior(self) -> None:
        """Return None: q(z) is no mixture of Gaussians."""


@torch.no_grad()
def encode(
    encoder: Encoder, x: Tensor, context: Context | None = None
) -> EncodedOnce | EncodedAnew:
    """Encode data once where that is enough.

    Args:
        encoder: The module that returns q(z|x).
        x: The data, `(N, *data_shape)`.
        context: What is known of them, for an encoder that takes it.

    Raises:
        TypeError: If the encoder returns no distribution over vectors.
    """
    context = given(context)
    call(encoder, x[:1], context[:1])  # where what is no encoder fails
    try:
        return EncodedOnce(*encode_in_blocks(encoder, x, context))
    except TypeError:
        return EncodedAnew(encoder, x, context)
