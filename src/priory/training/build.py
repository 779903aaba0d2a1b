"""From data and options to an untrained model."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import nn

from priory.arguments import at_least, check_size
from priory.blockwise import blocks
from priory.data import Splits
from priory.data.splits import mix
from priory.likelihoods import Likelihood
from priory.networks.contract import wrong_part
from priory.priors import HierarchicalPrior, Prior, make_prior, prior_class
from priory.suggestions import short
from priory.training.networks_by_name import make_networks
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
    levels: int | Sequence[int] = 1,
    inference: str = "direct",
    network: str = "mlp",
    hidden_sizes: Sequence[int] = (256, 256),
    encoder: nn.Module | Callable[[], nn.Module] | None = None,
    decoder: nn.Module | Callable[[], nn.Module] | None = None,
    batch_in_encoder: bool = False,
    seed: int = 0,
) -> VAE:
    """Build a model for data, and initialise its prior with the training data.

    A seed gives the same encoder and decoder whatever the prior is; the global random state is not
    changed.

    Args:
        splits: The data.
        likelihood: Their likelihood.
        prior: The name of a prior, a prior, or a function that returns one; with several levels of
            latents, the prior of the top.
        latent_dim: The number of latent dimensions L, per level if there are several; by default
            the prior's, or a quarter of the data's, between 2 and 40.
        num_components: The number of components K; by default one for every 20 examples, at most
            500.
        init: How to initialise the components of a prior given by name: `"random"` or from
            `"data"`.
        prior_options: Other arguments of a prior given by name.
        levels: The number of levels of latents, or their sizes, starting next to the data.
        inference: The form of the posterior for several levels, as in `make_networks`.
        network: The kind of networks.
        hidden_sizes: The widths of their hidden layers.
        encoder: The user's own encoder, or a function that returns one.
        decoder: The user's own decoder, or a function that returns one.
        batch_in_encoder: Whether the encoder takes the batch too, like the decoder, if the data
            have batches.
        seed: The random seed of all initial values.

    Raises:
        TypeError: If the prior is not a prior.
        ValueError: If an argument is out of range, the data are constant or lack labels that the
            model needs, or the prior refuses them.
    """
    if not isinstance(prior, str | Prior) and (isinstance(prior, nn.Module) or not callable(prior)):
        raise wrong_part(prior, "prior")
    _check_different(splits)
    if latent_dim is None and isinstance(prior, Prior):
        latent_dim = getattr(prior, "latent_dim", None)
    if levels == 1 and isinstance(prior, HierarchicalPrior):
        levels = prior.latent_dims
        inference = "ladder" if prior.conditionals == "encoder" else inference
    asked = level_sizes(levels, latent_dim, prior)
    if len(asked) == 1 and inference != "direct":
        raise ValueError(
            f"expected several levels for inference={inference!r}, got one; give levels=2, or "
            "leave out inference."
        )
    facts = facts_of(splits, likelihood, asked[-1], num_components, init)
    sizes = tuple(facts["latent_dim"] if size is None else size for size in asked)
    networks = partial(
        make_networks,
        likelihood,
        splits.data_shape,
        sizes,
        hidden_sizes,
        network,
        inference,
        num_batches=splits.num_batches,
        batch_in_encoder=batch_in_encoder,
    )
    _check_sizes(networks, prior, {**facts, **(prior_options or {})})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ours = networks()
        vae = VAE(_made(encoder, ours[0]), _made(decoder, ours[1]), nn.Identity())
        torch.manual_seed(mix(seed, 1))
        if isinstance(prior, str):
            prior = make_prior(prior, **facts, **(prior_options or {}))
        prior = prior if isinstance(prior, Prior) else prior()
        if len(sizes) > 1 and not isinstance(prior, HierarchicalPrior):
            prior = HierarchicalPrior(sizes, prior, **_below(vae.encoder, network, hidden_sizes))
        vae.prior = prior
        _check_known(vae, splits)
        context = vae.context_of(**splits.train.annotations)
        prior.fit_data(splits.train.tensor(), vae.encoder, context)
    return vae


def level_sizes(
    levels: int | Sequence[int], latent_dim: int | None = None, prior: object = None
) -> tuple[int | None, ...]:
    """Return the size of each level of latents; None for one that depends on the data.

    Args:
        levels: The number of levels, or their sizes.
        latent_dim: The size of each, if their number is given.
        prior: The prior, or its name: a prior with several levels determines their number.

    Raises:
        ValueError: If there are no levels, the sizes contradict `latent_dim`, or a prior with
            several levels is requested with one.

    Examples:
        >>> from priory.training.build import level_sizes
        >>> level_sizes(2, latent_dim=40), level_sizes([40, 20])
        ((40, 40), (40, 20))
    """
    if isinstance(levels, int):
        at_least(1, levels=levels)
        sizes: tuple[int | None, ...] = (latent_dim,) * levels
    else:
        sizes = tuple(levels)
        at_least(1, **{f"levels[{n}]": size for n, size in enumerate(sizes)})
        if not sizes or latent_dim not in (None, sizes[-1]):
            raise ValueError(
                f"expected sizes of levels of which latent_dim={latent_dim} is the last, got "
                f"levels={list(sizes)}; leave out latent_dim."
            )
    hierarchical = isinstance(prior, str) and ":" not in prior
    if hierarchical and prior_class(str(prior)) is HierarchicalPrior:
        raise ValueError(
            "expected the prior of the top level for a model with several levels, got "
            "HierarchicalPrior; name the top, such as VampPrior, and the levels, such as "
            "levels=2."
        )
    return sizes


def _below(encoder: nn.Module, network: str, hidden_sizes: Sequence[int]) -> dict[str, Any]:
    """Return a factory for the levels of a prior below its top."""
    if getattr(encoder, "generative", None) is not None:
        return {"conditionals": "encoder"}
    kind = "mlp" if network == "mlp" else "gated-mlp"
    return {"network": kind, "hidden_sizes": tuple(hidden_sizes)}


def facts_of(
    splits: Splits,
    likelihood: Likelihood,
    latent_dim: int | None = None,
    num_components: int | None = None,
    init: str = "data",
) -> dict[str, Any]:
    """Return the facts that a part of a model can use: its sizes, and the format of the data."""
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
    """Check that the data are not constant; reading stops at the first value that differs."""
    x = splits.train.values
    first = x.flatten()[0]
    if all((x[rows] == first).all() for rows in blocks(len(x), x[0].numel())):
        raise ValueError(
            f"expected data with different values in {splits.name}, got only {first.item():g}."
        )


def _check_known(vae: VAE, splits: Splits) -> None:
    """Check that the data of every part have the annotations that the model needs."""
    for name, part in zip(("train", "validate", "test"), splits.parts, strict=True):
        for needed in vae.needs:
            if len(part) and part.annotations[needed] is None:
                whose = f" ({type(vae.prior).__name__})" if needed == "labels" else ""
                raise ValueError(
                    f"expected {WORDS[needed]} of the data to {name} on, which the model "
                    f"needs{whose}, got none; give data that include their {WORDS[needed]}, or a "
                    "fraction of those that do."
                )
    if vae.needs_labels:
        check_every_label(splits)


WORDS = {"labels": "labels", "exposure": "exposures", "batch_label": "batches"}


def _check_sizes(networks: Callable[[], Sequence[nn.Module]], prior: Any, facts: Any) -> None:
    """Refuse a model that is too large for memory, before allocating any."""
    try:
        with torch.device("meta"):
            parts = [*networks()]
            if isinstance(prior, str):
                parts.append(make_prior(prior, **facts))
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            f"expected a model whose size can be computed, got a larger one ({short(error)}); use "
            "fewer or narrower layers, latent dimensions or components."
        ) from error
    check_size(sum(p.numel() for part in parts for p in part.parameters()), "in the model")
    takes = signature(prior_class(prior)).parameters if isinstance(prior, str) else {}
    if "num_components" in takes:
        each = math.prod(facts["data_shape"]) if "data_shape" in takes else 1
        check_size(facts["num_components"] * max(each, facts["latent_dim"]), "in all components")


def check_every_label(splits: Splits) -> None:
    """Check that every label has a training example, which its components need.

    Raises:
        ValueError: If a label has none.
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
            f"expected training examples for every label, got none for {label!r}{others} "
            f"({counts[1][without[0]]} for validation, {counts[2][without[0]]} for test); use "
            "another seed for the split, or remove such labels from the data."
        )
