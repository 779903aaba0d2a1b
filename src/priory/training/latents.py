"""Samples of z from an encoder that stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import GaussianMixture, loc_and_scale
from priory.evaluation import Estimate, cross_entropy
from priory.networks.context import Context, Encoder, call, given
from priory.priors import Prior

ENCODED_AT_ONCE = 4096


@contextmanager
def frozen(encoder: Encoder) -> Iterator[None]:
    """Hold an encoder still: in evaluation mode, and without a gradient for its parameters.

    A gradient still passes through it. Modes and `requires_grad` are put back at the end.

    Args:
        encoder: The encoder; one that is no module is left as it is.

    """
    modules = list(encoder.modules()) if isinstance(encoder, nn.Module) else []
    parameters = list(encoder.parameters()) if isinstance(encoder, nn.Module) else []
    modes = [module.training for module in modules]
    learned = [parameter.requires_grad for parameter in parameters]
    for module in modules:
        module.training = False
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for parameter, flag in zip(parameters, learned, strict=True):
            parameter.requires_grad_(flag)


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
        return cross_entropy(call(prior, encoder, self.context), self.z)


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
        q: Distribution = call(self.encoder, self.x[index], self.context[index])
        return q.sample()

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
    q = call(encoder, x[:1], context[:1])
    if not isinstance(q, Distribution) or len(q.event_shape) != 1:
        got = f"{q.event_shape} as event shape" if isinstance(q, Distribution) else type(q).__name__
        raise TypeError(
            "expected a distribution over vectors z from encoder(x), such as "
            f"Independent(Normal(loc, scale), 1), got {got}; wrap the encoder in an adapter that "
            "returns one."
        )
    try:
        starts = range(0, len(x), ENCODED_AT_ONCE)
        blocks = [slice(start, start + ENCODED_AT_ONCE) for start in starts]
        parts = [loc_and_scale(call(encoder, x[block], context[block])) for block in blocks]
    except TypeError:
        return EncodedAnew(encoder, x, context)
    loc, scale = (torch.cat(part) for part in zip(*parts, strict=True))
    return EncodedOnce(loc, scale)
