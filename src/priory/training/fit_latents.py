"""Fit a prior to existing latents, without an encoder."""

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from priory.data.latent_rows import Rows
from priory.data.latent_sources import LatentSource, StoredLatents, StreamedLatents
from priory.distributions import GaussianMixture
from priory.evaluation import Estimate
from priory.networks.context import Context
from priory.networks.home import home_of
from priory.priors import Prior, make_prior, prior_class, prior_classes
from priory.training.latents import MOST_DATA, Samples
from priory.training.maximum_likelihood import (
    Batches,
    maximise_likelihood,
    optimizer_of,
    train_epoch,
)
from priory.training.prior_fit import CrossEntropy, HowToFit, PriorFit

MOST_FOR_BOUND = 50_000
"""The maximum number of latents for evaluating their own mixture: its cost is quadratic."""

FOR_EACH_COMPONENT = 20
"""The number of latents per component for initialisation from data."""


def fit_latents(
    prior: str | Prior,
    latents: LatentSource,
    held_out: LatentSource | None,
    how: HowToFit,
    num_components: int | None = None,
    init: str = "data",
) -> PriorFit:
    """Fit a prior to latents, as described in `fit_prior`.

    Raises:
        TypeError: If the prior needs an encoder.
        ValueError: If there are no latents, or their dimensions differ from the prior's.
    """
    _refuse_encoders(prior)
    number = num_components or int(getattr(prior, "num_components", None) or 500)
    fitted, held, total = latents.some(max(MOST_DATA, FOR_EACH_COMPONENT * number))
    if held_out is not None:
        held = held_out.some(MOST_DATA)[0]
    if not (len(fitted) and len(held)):
        raise ValueError(
            f"expected latents to fit and held-out latents, got {len(fitted)} and {len(held)}; "
            "give more latents."
        )
    if isinstance(prior, str):
        labels = latents.labels if isinstance(latents, StoredLatents) else fitted.labels
        facts = facts_for_latents(fitted, total, num_components, init, labels)
        prior = make_prior(prior, **facts).to(fitted.z.device)
    if getattr(prior, "latent_dim", None) not in (None, fitted.z.shape[1]):
        raise ValueError(
            f"expected latents with {prior.latent_dim} dimensions, like the prior, got "
            f"{fitted.z.shape[1]}."
        )
    device, dtype = home_of(prior) or (fitted.z.device, torch.get_default_dtype())
    fitted, held = fitted.to(device, dtype), held.to(device, dtype)
    prior.fit_data(fitted.draw(), points, Context(labels=fitted.labels))
    how.processes.copy_first(*prior.state_dict().values())

    def batches(seed: int) -> Iterator[tuple[Tensor, Context]]:
        for rows in latents.batches(how.batch_size_for(total), seed, device, dtype):
            yield rows.draw(), Context(labels=rows.labels)

    if isinstance(latents, StreamedLatents) and latents.once:
        return _fitted_in_one_pass(prior, latents, None if held_out is None else held, batches, how)
    fitted_samples, held_samples = (Samples.of(rows, how.processes) for rows in (fitted, held))
    before = CrossEntropy(fitted_samples.score(prior, None), held_samples.score(prior, None))
    epochs = maximise_likelihood(prior, None, batches, held_samples, how)
    after = CrossEntropy(fitted_samples.score(prior, None), held_samples.score(prior, None))
    return PriorFit(prior, before, after, _bound(prior, latents, fitted_samples), epochs)


def points(x: Tensor, context: Context | None = None) -> Distribution:
    """Return latents as posteriors that are points, for initialising a prior."""
    return Independent(Normal(x, torch.zeros_like(x), validate_args=False), 1, validate_args=False)


def _fitted_in_one_pass(
    prior: Prior, latents: StreamedLatents, held: Rows | None, batches: Batches, how: HowToFit
) -> PriorFit:
    """Train on latents that can be read only once, and score the selection at the end."""
    optimizer, start = optimizer_of(prior, how.learning_rate), copy.deepcopy(prior.state_dict())
    if optimizer is not None:
        train_epoch(prior, None, batches(how.seed), optimizer, how.processes)
    device, dtype = home_of(prior) or (torch.device("cpu"), torch.get_default_dtype())
    chosen = [rows.to(device, dtype) for rows in latents.chosen[:2]]
    fitted_samples, held_samples = (
        Samples.of(rows, how.processes) for rows in (chosen[0], chosen[1] if held is None else held)
    )
    after, end = (
        (fitted_samples.score(prior, None), held_samples.score(prior, None)),
        prior.state_dict(),
    )
    end = copy.deepcopy(end)
    prior.load_state_dict(start)
    before = (fitted_samples.score(prior, None), held_samples.score(prior, None))
    if after[1].value < before[1].value:
        prior.load_state_dict(end)
    else:
        after = before
    prior.eval()
    epochs = 0 if optimizer is None else 1
    return PriorFit(prior, CrossEntropy(*before), CrossEntropy(*after), None, epochs)


def facts_for_latents(
    rows: Rows,
    total: int,
    num_components: int | None = None,
    init: str = "data",
    labels: Tensor | None = None,
) -> dict[str, Any]:
    """Return the facts about latents that a prior can use; there are at least `rows` of them."""
    return {
        "latent_dim": rows.z.shape[1],
        "num_components": num_components or min(500, max(1, total // FOR_EACH_COMPONENT)),
        "init": init,
        "data_shape": tuple(rows.z.shape[1:]),
        "data_range": (0.0, 1.0),  # for priors that are refused
        "num_labels": None if labels is None else int(labels.max()) + 1,
    }


def _refuse_encoders(prior: str | Prior) -> None:
    """Refuse a prior that is built from an encoder's posteriors."""
    classes = prior_classes()
    free = [n for n, cls in classes.items() if "latent_dim" in inspect.signature(cls).parameters]
    if isinstance(prior, Prior):
        name, needs = type(prior).__name__, prior.needs_encoder
    else:
        name = prior_class(prior).__name__
        needs = name not in free
    if needs:
        raise TypeError(
            f"expected a prior that does not need an encoder for latents ({', '.join(free)}, or a "
            f"MixturePrior with free components), got {name}; use one of these, or give the "
            "encoder and the data."
        )


def _bound(prior: Prior, latents: LatentSource, samples: Samples) -> Estimate | None:
    """Return the entropy of the mixture of all fitted posteriors, if it exists."""
    if not isinstance(latents, StoredLatents) or latents.scales is None or prior.needs_labels:
        return None
    if len(latents) > MOST_FOR_BOUND:
        return None
    parts = [rows[~held] for rows, held in latents.blocks(torch.Generator())]
    every = Rows.joined(parts).to(samples.z.device, samples.z.dtype)
    if every.scale is None or not (every.scale > 0).all():
        return None
    q = GaussianMixture(every.z.new_zeros(len(every)), every.z, every.scale)
    return samples.cross_entropy(lambda _: q)
