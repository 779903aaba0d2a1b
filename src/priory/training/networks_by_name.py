"""An untrained encoder and decoder for data: networks by name, with one or several levels."""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from priory.arguments import one_of
from priory.likelihoods import Likelihood
from priory.networks import (
    MLP,
    ConvDecoderNetwork,
    ConvEncoderNetwork,
    GatedMLP,
    HierarchicalEncoder,
    JoinedGaussian,
    LadderEncoder,
    LevelGaussian,
    NormedMLP,
)

Shape = Sequence[int]
_ToLatents = Callable[..., nn.Module]  # data, outputs, hidden sizes
_ToData = Callable[..., nn.Module]  # latents, data, per pixel, hidden
_Between = Callable[[Shape, Shape, Shape], nn.Module]  # vectors, vectors, hidden sizes


def _to_data(network: Callable[..., nn.Module]) -> _ToData:
    def make(latents: Shape, data: Shape, pixel: Shape, hidden: Shape, **options: Any) -> nn.Module:
        return network(latents, (*data, *pixel), hidden, **options)

    return make


NETWORKS: dict[str, tuple[_ToLatents, _ToData, _Between]] = {
    **{
        name: (network, _to_data(network), network)
        for name, network in (("mlp", MLP), ("gated-mlp", GatedMLP), ("normed-mlp", NormedMLP))
    },
    "conv": (ConvEncoderNetwork, ConvDecoderNetwork, GatedMLP),
}


def make_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int | Sequence[int],
    hidden_sizes: Sequence[int] = (256, 256),
    network: str = "mlp",
    inference: str = "direct",
    *,
    num_batches: int | None = None,
    batch_in_encoder: bool = False,
) -> tuple[nn.Module, nn.Module]:
    """Return an untrained encoder and decoder for data with this likelihood and shape.

    The decoder takes all levels of latents, concatenated.

    Args:
        likelihood: The likelihood, as returned by `choose_likelihood`.
        data_shape: The shape of one example; for `"conv"`, that of an image, `(H, W)` or `(C, H,
            W)`.
        latent_dim: The number of latent dimensions L, or those of several levels, starting next to
            the data.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder; for `"conv"`,
            those of the dense layers between the convolutions and the latents.
        network: `"mlp"` for fully connected layers, `"gated-mlp"` for gated ones, `"normed-mlp"`
            for normalised ones, `"conv"` for gated convolutions.
        inference: How several levels are inferred: `"direct"` with separate networks for each
            level, in a [`HierarchicalEncoder`][priory.networks.HierarchicalEncoder]; `"ladder"` in
            a [`LadderEncoder`][priory.networks.LadderEncoder], which shares its downward networks
            with p(z).
        num_batches: The number of batches that the data were measured in, which the decoder takes
            as an input.
        batch_in_encoder: Whether the encoder takes the batch too.

    Raises:
        ValueError: If a size is below one, the data are not images for `"conv"`, there are batches
            and `"conv"`, or the network or inference is unknown.

    Examples:
        >>> import torch
        >>> from priory.likelihoods import choose_likelihood
        >>> from priory.training import make_networks
        >>> x = torch.rand(20, 8, 8)
        >>> encoder, decoder = make_networks(choose_likelihood(x), (8, 8), 2, network="conv")
        >>> decoder(encoder(x).sample()).log_prob(x).shape
        torch.Size([20])
    """
    sizes = (latent_dim,) if isinstance(latent_dim, int) else tuple(latent_dim)
    if min(sizes) < 1:
        raise ValueError(f"expected at least one latent dimension, got {latent_dim}.")
    if network not in NETWORKS:
        raise ValueError(f"expected network {', '.join(NETWORKS)}, got {network!r}.")
    one_of(INFERENCE, inference=inference)
    to_latents, to_data, between = NETWORKS[network]
    options = {} if num_batches is None else {"num_batches": num_batches}
    if options and network == "conv":
        raise ValueError("expected a fully connected network for data in batches, got 'conv'.")
    if options and batch_in_encoder:
        to_latents = partial(to_latents, **options)
    if len(sizes) == 1:
        body = to_latents(data_shape, (2 * sizes[0],), hidden_sizes)
        encoder: nn.Module = likelihood.make_encoder(body)
    else:
        parts = INFERENCE[inference](sizes, data_shape, hidden_sizes, to_latents, between)
        scaling = {"data_range": likelihood.data_range, "transform": likelihood.transform}
        encoder = parts(**scaling)
    decoder = to_data((sum(sizes),), data_shape, likelihood.pixel_shape, hidden_sizes, **options)
    return encoder, likelihood.make_decoder(decoder, data_shape)


def _direct(
    sizes: Shape, data: Shape, hidden: Shape, to_latents: _ToLatents, between: _Between
) -> Callable[..., nn.Module]:
    """Return a factory for an encoder with separate networks for each level."""
    *first, last = hidden or (math.prod(data),)
    below = [
        JoinedGaussian(
            to_latents(data, (last,), first), between((last + above,), (2 * size,), hidden)
        )
        for size, above in itertools.pairwise(sizes)
    ]
    top = to_latents(data, (2 * sizes[-1],), hidden)
    return partial(HierarchicalEncoder, sizes, top, below)


def _ladder(
    sizes: Shape, data: Shape, hidden: Shape, to_latents: _ToLatents, between: _Between
) -> Callable[..., nn.Module]:
    """Return a factory for an encoder that shares its downward networks with the prior."""
    width = hidden[-1] if hidden else math.prod(data)
    bottom_up = [to_latents(data, (width,), hidden)]
    bottom_up += [between((width,), (width,), hidden[:1]) for _ in sizes[1:]]
    heads = [between((width,), (2 * size,), ()) for size in sizes]
    top_down = [
        LevelGaussian(between((above,), (2 * size,), hidden))
        for size, above in itertools.pairwise(sizes)
    ]
    return partial(LadderEncoder, sizes, bottom_up, heads, top_down)


INFERENCE = {"direct": _direct, "ladder": _ladder}
"""The forms of the posterior for several levels."""
