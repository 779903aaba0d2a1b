"""The table of measures, and the functions that compute a few of them, or all."""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array
from priory.evaluation.answers import Scores
from priory.evaluation.batch_mixing import BATCH_MIXING
from priory.evaluation.clusters import ARI, LEIDEN_ARI, LEIDEN_NMI, NMI
from priory.evaluation.components import (
    COMPONENTS_IN_USE,
    DEAD_COMPONENTS,
    NEAREST,
    dead_components_of,
)
from priory.evaluation.depth import DEPTH, is_of_counts
from priory.evaluation.evidence import ELBO_OF_DATA, NLL, RATE, RECONSTRUCTION, elbo_terms
from priory.evaluation.gene_agreement import MADE, MEANS, VARIANCES, ZEROS
from priory.evaluation.holes import POSTERIOR_OUTSIDE, SHARE_IN_HOLES, holes_of
from priory.evaluation.latent_use import ACTIVE_UNITS, latent_use_of
from priory.evaluation.levels import LEVEL_RATES, LEVEL_UNITS
from priory.evaluation.measure import Measure, Value
from priory.evaluation.memorisation import COPYING, memorisation_of
from priory.evaluation.nearest import Features
from priory.evaluation.samples import COVERAGE, DENSITY, PRECISION, RECALL
from priory.evaluation.study import Study
from priory.evaluation.surgery import MARGINAL_KL, MUTUAL_INFORMATION, surgery_of
from priory.evaluation.two_sample import CLASSIFIER, DISCREPANCY, discrepancy_of
from priory.networks.context import Context
from priory.processes import Processes
from priory.vae import VAE

TABLE: tuple[Measure, ...] = (
    NLL,
    ELBO_OF_DATA,
    RECONSTRUCTION,
    RATE,
    LEVEL_RATES,
    LEVEL_UNITS,
    COMPONENTS_IN_USE,
    DEAD_COMPONENTS,
    SHARE_IN_HOLES,
    POSTERIOR_OUTSIDE,
    MUTUAL_INFORMATION,
    MARGINAL_KL,
    ACTIVE_UNITS,
    DEPTH,
    ARI,
    NMI,
    LEIDEN_ARI,
    LEIDEN_NMI,
    BATCH_MIXING,
    MEANS,
    VARIANCES,
    ZEROS,
    MADE,
    CLASSIFIER,
    DISCREPANCY,
    PRECISION,
    RECALL,
    DENSITY,
    COVERAGE,
    COPYING,
    NEAREST,
)
"""All measures, in display order."""

QUICK_ORDER = (attrgetter("nll"), elbo_terms, attrgetter("z"), holes_of)
ORDER: tuple[Callable[[Study], object], ...] = (
    *map(attrgetter, ("nll", "chosen", "z", "points", "prior_samples", "decoded_samples")),
    *(surgery_of, latent_use_of, dead_components_of, holes_of, discrepancy_of, memorisation_of),
    elbo_terms,
)
"""The order in which noise is drawn, so that a seed keeps giving the same numbers."""


@torch.no_grad()
def evaluate(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 512,
    seed: int = 0,
    context: Context | None = None,
    *,
    processes: Processes | None = None,
    annotations: Context | None = None,
) -> Scores:
    """Compute the few measures for comparing priors, and some more for a model of counts.

    Args:
        vae: The model, in evaluation mode if that matters.
        x: Held-out data, `(N, *data_shape)`.
        num_samples: The number of importance samples per example for the NLL; the ELBO uses ten.
        seed: The random seed; the global random state is not changed.
        context: The context of these data. If the prior or the decoder depends on labels, the
            numbers are those given the label; components are counted under the prior over all
            labels.
        processes: Processes among which the NLL and the holes, which take longest, are divided; by
            default only this one.
        annotations: All annotations of these data, whether or not the model takes them: clusters
            are compared with their labels, and the mixing of their batches is measured. By default
            the context.

    Raises:
        ValueError: If there are no data, or `num_samples` is below one.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import evaluate
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> evaluate(vae, torch.zeros(5, 9)).num_data
        5
    """
    study = Study(
        vae,
        x,
        context=context,
        num_samples=num_samples,
        seed=seed,
        processes=processes,
        annotations=annotations,
    )
    study.draw_in_order(QUICK_ORDER)
    more = is_of_counts(study)
    scores = Scores.ask(study, (one for one in TABLE if one.quick or (one.of_counts and more)))
    numbers: dict[str, Any] = {}
    for measure, value in scores.values:  # only the numbers, without other results
        if "." not in measure.name:
            numbers |= measure.answer(Value(value.number, value.error))
    there = [measure for measure, _ in scores.values]
    asked = tuple(one for one in scores.measures if one.quick or one in there)
    record = {"num_training": None, **scores.record, **numbers}
    return replace(scores, record=record, measures=asked)


@torch.no_grad()
def measure(
    vae: VAE,
    x: Tensor | Array,
    training: Tensor | Array | None = None,
    *,
    context: Context | None = None,
    training_context: Context | None = None,
    num_samples: int = 5000,
    max_training: int = 20_000,
    max_points: int = 1000,
    pareto_data: int = 500,
    max_components: int | None = None,
    features: Features | None = None,
    seed: int = 0,
    processes: Processes | None = None,
    annotations: Context | None = None,
) -> Scores:
    """Compute all measures of a model.

    Args:
        vae: The model, in evaluation mode if that matters.
        x: Held-out data, `(N, *data_shape)`.
        training: The data that it was trained on, if available.
        context: The context of the held-out data. With labels, the NLL and the ELBO are those given
            the label, and everything else uses the prior over all labels.
        training_context: The context of the training data.
        num_samples: The number of importance samples per example for the NLL.
        max_training: Use at most this many training examples, the first in a random order.
        max_points: Use at most this many samples and held-out examples for measures that compare
            points in pairs.
        pareto_data: The number of examples for which to fit the tail of the importance weights.
        max_components: Use at most this many components of a mixture for the NLL of an example, as
            in `negative_log_likelihood`.
        features: The features for comparing samples; by default the values themselves.
        seed: The random seed; the global random state is not changed.
        processes: Processes among which the NLL, the surgery and the holes, which take longest, are
            divided; by default only this one.
        annotations: All annotations of the held-out data, as for `evaluate`.

    Raises:
        ImportError: If ArviZ or scikit-learn is not installed.
        ValueError: If there are no data, or `num_samples` is below one.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import measure
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> found = measure(vae, torch.zeros(5, 9), num_samples=16)
        >>> found.latent_use.active_units, found.samples
        (0, None)
    """
    study = Study(
        vae,
        x,
        training,
        context=context,
        training_context=training_context,
        num_samples=num_samples,
        max_components=max_components,
        pareto_data=pareto_data,
        max_training=max_training,
        max_points=max_points,
        features=features,
        seed=seed,
        processes=processes,
        annotations=annotations,
    )
    study.draw_in_order(ORDER)
    scores = Scores.ask(study, TABLE)
    taken = None if study.chosen is None else len(study.chosen)
    return replace(scores, record={"num_training": taken, **scores.record})
