"""From data and choices to an untrained model."""

import math
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import nn

from priory.arguments import check_size
from priory.blockwise import blocks
from priory.data import Splits
from priory.data.splits import mix
from priory.likelihoods import Likelihood
from priory.networks import MLP, ConvDecoderNetwork, ConvEncoderNetwork, GatedMLP, GaussianEncoder
from priory.networks.contract import wrong_part
from priory.priors import Prior, make_prior, prior_class
from priory.suggestions import short
from priory.vae import VAE


def build(
    splits: Splits,
    likelihood: Likelihood,
    prior: str | Prior | Callable[[], Prior],
    *,
    latent_dim: int | None = None,
    num_components: int | None = None,
    init: str = "data",
    prior_options: Mapping[str, Any] | None = None,
    network: str = "mlp",
    hidden_sizes: Sequence[int] = (256, 256),
    encoder: nn.Module | Callable[[], nn.Module] | None = None,
    decoder: nn.Module | Callable[[], nn.Module] | None = None,
    seed: int = 0,
) -> VAE:
    """Build a model for data, and show its prior the training data.

    A seed gives the same encoder and decoder whatever the prior is; the generator of the caller is
    left as it was.

    Args:
        splits: The data.
        likelihood: Their likelihood.
        prior: The name of a prior, a prior, or a function that makes one.
        latent_dim: The number of latent dimensions L; by default the prior's, or a quarter of the
            data's, between 2 and 40.
        num_components: The number of components K; by default one for every 20 data, at most 500.
        init: Where the components of a prior given by name start: `"random"` or from `"data"`.
        prior_options: Further arguments of a prior given by name.
        network: The kind of networks.
        hidden_sizes: The widths of their hidden layers.
        encoder: An encoder of the user's own, or a function that makes one.
        decoder: Likewise a decoder.
        seed: The seed of every start.

    Raises:
        TypeError: If the prior is none.
        ValueError: If an argument is out of range, the data are all one value or lack labels that
            the model needs, or the prior refuses them.
    """
    if not isinstance(prior, str | Prior) and (isinstance(prior, nn.Module) or not callable(prior)):
        raise wrong_part(prior, "prior")
    _check_different(splits)
    if latent_dim is None and isinstance(prior, Prior):
        latent_dim = getattr(prior, "latent_dim", None)
    facts = facts_of(splits, likelihood, latent_dim, num_components, init)
    latent_dim = facts["latent_dim"]
    sizes = (likelihood, splits.data_shape, latent_dim, hidden_sizes, network)
    try:
        with torch.device("meta"):  # where no memory is asked for
            parts: list[nn.Module] = [*make_networks(*sizes)]
            if isinstance(prior, str):
                parts.append(make_prior(prior, **facts, **(prior_options or {})))
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            f"expected sizes of a model that can be counted, got more ({short(error)}); take fewer "
            "or narrower layers, latent dimensions or components."
        ) from error
    check_size(sum(p.numel() for part in parts for p in part.parameters()), "in the model")
    takes = signature(prior_class(prior)).parameters if isinstance(prior, str) else {}
    if "num_components" in takes:
        each = math.prod(splits.data_shape) if "data_shape" in takes else latent_dim
        check_size(facts["num_components"] * max(each, latent_dim), "in all components")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ours = make_networks(*sizes)
        vae = VAE(_made(encoder, ours[0]), _made(decoder, ours[1]), nn.Identity())
        torch.manual_seed(mix(seed, 1))
        if isinstance(prior, str):
            prior = make_prior(prior, **facts, **(prior_options or {}))
        prior = vae.prior = prior if isinstance(prior, Prior) else prior()
        _check_labels(vae, splits)
        context = vae.context_of(splits.train.labels)
        prior.fit_data(splits.train.tensor(), vae.encoder, context)
    return vae


def facts_of(
    splits: Splits,
    likelihood: Likelihood,
    latent_dim: int | None = None,
    num_components: int | None = None,
    init: str = "data",
) -> dict[str, Any]:
    """Return what a part of a model may be told: its sizes, and what data look like."""
    if latent_dim is None:
        latent_dim = min(40, max(2, math.prod(splits.data_shape) // 4))
    if num_components is None:
        num_components = min(500, max(1, len(splits.train) // 20))
    return {
        "latent_dim": latent_dim,
        "num_components": num_components,
        "init": init,
        "data_shape": splits.data_shape,
        "data_range": likelihood.data_range,
        "num_labels": splits.num_labels,
    }


def _made(given: nn.Module | Callable[[], nn.Module] | None, ours: nn.Module) -> nn.Module:
    if given is None:
        return ours
    return given if isinstance(given, nn.Module) else given()


def _check_different(splits: Splits) -> None:
    """Check that there is anything to learn; reading ends with the first value that differs."""
    x = splits.train.values
    first = x.flatten()[0]
    if all((x[rows] == first).all() for rows in blocks(len(x), x[0].numel())):
        raise ValueError(
            f"expected data with different values in {splits.name}, got {first.item():g} alone."
        )


def _check_labels(vae: VAE, splits: Splits) -> None:
    """Check that the data of every part have labels, where the model needs them."""
    for name, part in zip(("train", "validate", "test"), splits.parts, strict=True):
        if vae.needs_labels and len(part) and part.labels is None:
            raise ValueError(
                f"expected labels of the data to {name} on, which the model needs "
                f"({type(vae.prior).__name__}), got none; give data that bring their labels, or a "
                "fraction of those that do."
            )
    if vae.needs_labels:
        check_every_label(splits)


def check_every_label(splits: Splits) -> None:
    """Check that every label has an example to train on, or else its components stay untrained.

    Raises:
        ValueError: If one has none.
    """
    counts = [
        torch.zeros(splits.num_labels or 0, dtype=torch.int64)
        if part.labels is None
        else part.labels.bincount(minlength=splits.num_labels or 0)
        for part in splits.parts
    ]
    without = (counts[0] == 0).nonzero().flatten().tolist()
    if without:
        label = without[0] if splits.label_names is None else splits.label_names[without[0]]
        others = f" and of {len(without) - 1} other labels" if len(without) > 1 else ""
        raise ValueError(
            f"expected examples to train on of every label, got none of {label!r}{others} "
            f"({counts[1][without[0]]} to validate, {counts[2][without[0]]} to test); take another "
            "seed for the split, or leave such labels out of the data."
        )


Shape = Sequence[int]
_ToLatents = Callable[[Shape, Shape, Shape], nn.Module]  # data, outputs, hidden sizes
_ToData = Callable[[Shape, Shape, Shape, Shape], nn.Module]  # latents, data, per pixel, hidden


def _mlp_to_data(latents: Shape, data: Shape, pixel: Shape, hidden: Shape) -> nn.Module:
    return MLP(latents, (*data, *pixel), hidden)


def _gated_mlp_to_data(latents: Shape, data: Shape, pixel: Shape, hidden: Shape) -> nn.Module:
    return GatedMLP(latents, (*data, *pixel), hidden)


NETWORKS: dict[str, tuple[_ToLatents, _ToData]] = {
    "mlp": (MLP, _mlp_to_data),
    "gated-mlp": (GatedMLP, _gated_mlp_to_data),
    "conv": (ConvEncoderNetwork, ConvDecoderNetwork),
}


def make_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int,
    hidden_sizes: Sequence[int] = (256, 256),
    network: str = "mlp",
) -> tuple[GaussianEncoder, nn.Module]:
    """Return an untrained encoder and decoder for data of that likelihood and shape.

    Args:
        likelihood: The likelihood, as `choose_likelihood` gives it.
        data_shape: The shape of one datum; of an image, `(H, W)` or `(C, H, W)`, for `"conv"`.
        latent_dim: The number of latent dimensions L.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder; of `"conv"`,
            those of the dense layers between the convolutions and the latents.
        network: `"mlp"` for fully connected layers, `"gated-mlp"` for gated ones, `"conv"` for
            gated convolutions.

    Raises:
        ValueError: If a size is below one, the data are no images for `"conv"`, or there is no such
            network.

    Examples:
        >>> import torch
        >>> from priory.likelihoods import choose_likelihood
        >>> from priory.training import make_networks
        >>> x = torch.rand(20, 8, 8)
        >>> encoder, decoder = make_networks(choose_likelihood(x), (8, 8), 2, network="conv")
        >>> decoder(encoder(x).sample()).log_prob(x).shape
        torch.Size([20])
    """
    if latent_dim < 1:
        raise ValueError(f"expected at least one latent dimension, got {latent_dim}.")
    if network not in NETWORKS:
        raise ValueError(f"expected network {', '.join(NETWORKS)}, got {network!r}.")
    to_latents, to_data = NETWORKS[network]
    encoder = likelihood.make_encoder(to_latents(data_shape, (2 * latent_dim,), hidden_sizes))
    decoder = to_data((latent_dim,), data_shape, likelihood.pixel_shape, hidden_sizes)
    return encoder, likelihood.make_decoder(decoder, data_shape)
