"""Samples of z from an encoder that stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.distributions import GaussianMixture, loc_and_scale
from priory.networks.context import Encoder

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

    """

    encoder: Encoder
    x: Tensor

    @torch.no_grad()
    def draw(self, index: Tensor) -> Tensor:
        """Draw one z for each datum, `(B, L)`."""
        return self.encoder(self.x[index]).sample()

    def aggregated_posterior(self) -> None:
        """Return None: q(z) is no mixture of Gaussians."""


@torch.no_grad()
def encode(encoder: Encoder, x: Tensor) -> EncodedOnce | EncodedAnew:
    """Encode data once where that is enough.

    Raises:
        TypeError: If the encoder returns no distribution over vectors.

    """
    q = encoder(x[:1])
    if not isinstance(q, Distribution) or len(q.event_shape) != 1:
        got = f"{q.event_shape} as event shape" if isinstance(q, Distribution) else type(q).__name__
        raise TypeError(
            "expected a distribution over vectors z from encoder(x), such as "
            f"Independent(Normal(loc, scale), 1), got {got}; wrap the encoder in an adapter that "
            "returns one."
        )
    try:
        parts = [loc_and_scale(encoder(part)) for part in x.split(ENCODED_AT_ONCE)]
    except TypeError:
        return EncodedAnew(encoder, x)
    loc, scale = (torch.cat(part) for part in zip(*parts, strict=True))
    return EncodedOnce(loc, scale)
