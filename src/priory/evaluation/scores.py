"""The table of measures, and what it says of a model."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from priory.arrays import Array
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
from priory.evaluation.levels import LEVEL_RATES, LEVEL_UNITS, OF_LEVELS
from priory.evaluation.log_prob import LogProb
from priory.evaluation.measure import Measure, Value, plain, what_errors_cover
from priory.evaluation.memorisation import COPYING, memorisation_of
from priory.evaluation.nearest import Features
from priory.evaluation.samples import COVERAGE, DENSITY, PRECISION, RECALL
from priory.evaluation.study import Study
from priory.evaluation.surgery import MARGINAL_KL, MUTUAL_INFORMATION, surgery_of
from priory.evaluation.top_level import has_levels
from priory.evaluation.two_sample import CLASSIFIER, DISCREPANCY, discrepancy_of
from priory.networks.context import Context
from priory.notebook import html_table
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
"""All measures, in the order in which they are shown."""

QUICK_ORDER = (attrgetter("nll"), elbo_terms, attrgetter("z"), holes_of)
ORDER: tuple[Callable[[Study], object], ...] = (
    *map(attrgetter, ("nll", "chosen", "z", "points", "prior_samples", "decoded_samples")),
    *(surgery_of, latent_use_of, dead_components_of, holes_of, discrepancy_of, memorisation_of),
    elbo_terms,
)
"""The orders in which noise is drawn, so that a seed gives the numbers that it always gave."""


@dataclass(frozen=True)
class Scores:
    r"""What a table of measures says of a model; what cannot be asked of it is None.

    A name between brackets gives what was found under it: `scores["rate"]`, and those below are
    attributes too. Means are over held-out examples, in nats per example, and beside each is its
    standard error, such as `rate_standard_error`.

    `nll`: the negative log-likelihood, by importance sampling; of `measure` all that was found of
    it, as of `surgery`, `latent_use`, `dead_components`, `nearest_to_pseudo_inputs` (by position
    among the training data given), `holes`, `classifier`, `discrepancy`, `samples` and
    `memorisation`. `num_samples`: the importance samples per example behind it. `elbo`: the
    evidence lower bound. `reconstruction`: its first term, $E_q[\log p(x|z)]$. `rate`: its second,
    $E_q[\log q(z|x) - \log p(z)]$. `components_in_use`: the perplexity of the mean
    responsibilities. `num_data`, `num_training`: the numbers of examples. `share_in_holes`: the
    share of the prior's samples in holes of q(z), where 0.01 is perfect. `given_labels`: whether
    these are numbers for a known label, $-\log p(x|y)$. `prior_standard_error`: where the prior's
    density holds an estimate (of its normaliser), the standard error that this leaves in the NLL,
    the ELBO and the rate, whatever the number of examples. `level_rates`, `level_active_units`: of
    a model of several levels of latents alone, the rate and the active dimensions of each, the
    first next to the data.

    Attributes:
        record: All that is written to JSON, by name.
        measures: The measures that were asked.
        findings: What was found of more than a number, by name, as it was returned.
        log_prob: Log p(x) of each held-out example; None where it was not kept.
    """

    record: Mapping[str, Any]
    measures: tuple[Measure, ...]
    findings: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    log_prob: LogProb | None = field(default=None, repr=False, compare=False)

    @classmethod
    def ask(cls, study: Study, measures: Iterable[Measure] | None = None) -> "Scores":
        """Ask measures of a model.

        Args:
            study: The model, and the data it is measured on.
            measures: The measures; by default all.
        """
        levels = len(study.posterior.sizes) if has_levels(study.vae) else 1  # type: ignore
        measures = TABLE if measures is None else measures
        measures = tuple(one for one in measures if levels > 1 or one not in OF_LEVELS)
        components = getattr(study.prior, "logits", None)
        record: dict[str, Any] = {
            "num_data": len(study.x),
            "num_samples": study.num_samples,
            "num_components": None if components is None else components.shape[-1],
            "given_labels": study.given_labels,
            "prior_standard_error": study.prior_standard_error,
        } | ({"num_levels": levels} if levels > 1 else {})
        findings = {}
        for measure in measures:
            result = measure.compute(study)
            record |= measure.answer(result)
            if not isinstance(result, Value | float | int | None):
                findings[measure.name.partition(".")[0]] = result
        return cls(record, measures, findings, study.log_prob)

    def __getitem__(self, name: str) -> Any:
        value = self.record[name]
        return self.findings.get(name, value) if isinstance(value, Mapping | list) else value

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @property
    def values(self) -> list[tuple[Measure, Value]]:
        """The measures that have a number, each with it."""
        read = ((measure, measure.read(self.record)) for measure in self.measures if measure.title)
        return [(measure, value) for measure, value in read if value is not None]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why a number cannot be trusted, in a sentence each; empty if nothing speaks for it."""
        warnings = (getattr(one, "warnings", ()) for one in self.findings.values())
        return tuple(itertools.chain.from_iterable(warnings))

    @property
    def errors(self) -> str:
        """What the standard errors cover, in a sentence."""
        return what_errors_cover(measure for measure, value in self.values)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return a row for each number: its name, the number ± its error, and how to read it."""
        return [
            (measure.title, " ".join(filter(None, measure.text(value))), measure.how([value]))
            for measure, value in self.values
        ]

    readings = property(rows)

    @property
    def nll_per_datum(self) -> tuple[float, ...] | None:
        """The NLL of each example, where it was kept."""
        return None if self.log_prob is None else tuple((-self.log_prob.values).tolist())

    def as_json(self) -> dict[str, Any]:
        """Return what a JSON file holds; numbers that are not finite are None."""
        return dict(plain(self.record, finite=True))

    numbers = property(as_json)

    def write_log_prob(self, directory: Path) -> None:
        """Write log p(x) of each example to `log_prob.npy`, to compare runs by.

        Args:
            directory: Where.

        Raises:
            ValueError: If it was not kept.
        """
        if self.log_prob is None:
            raise ValueError("expected log p(x) of each example, got scores that were only read.")
        self.log_prob.write(directory)

    def __str__(self) -> str:
        lines = (f"{title}: {number} ({how})" for title, number, how in self.rows())
        return "\n".join(filter(None, (*lines, self.errors, *self.warnings)))

    def _repr_html_(self) -> str:
        rows = {title: f"{number} ({how})" for title, number, how in self.rows()}
        title = f"{self.record['num_data']} held-out examples. {self.errors}"
        return html_table(title, rows)


class _Named:
    """What scores have under a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, scores: Scores | None, owner: type | None = None) -> Any:
        return self if scores is None else scores[self.name]


_NAMES = """
nll nll_standard_error num_samples elbo elbo_standard_error reconstruction
reconstruction_standard_error rate rate_standard_error components_in_use num_data num_training
share_in_holes share_in_holes_standard_error given_labels prior_standard_error surgery latent_use
dead_components nearest_to_pseudo_inputs holes classifier discrepancy samples memorisation
"""
for _name in _NAMES.split():
    setattr(Scores, _name, _Named(_name))
Evaluation = Scores
Measures = Scores
"""Names of version 0.1.0, of what `evaluate` and `measure` return."""


@torch.no_grad()
def evaluate(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 512,
    seed: int = 0,
    context: Context | None = None,
    *,
    processes: Processes | None = None,
    known: Context | None = None,
) -> Scores:
    """Ask a model the few measures by which priors are compared, and a model of counts some more.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Held-out data, `(N, *data_shape)`.
        num_samples: The number of importance samples per example for the NLL; the ELBO takes ten.
        seed: The seed of the noise; the generator of the caller is left as it was.
        context: What is known of these data. With labels, in a model whose prior or decoder depends
            on them, the numbers are those given the label; components are counted under the prior
            over all labels.
        processes: Processes among which the NLL and the holes, which take longest, are divided; by
            default this one alone.
        known: All that is known of these data, whether or not the model is told of it: clusters are
            compared with its labels, and its batches are looked for. By default the context.

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
        known=known,
    )
    study.draw_in_order(QUICK_ORDER)
    more = is_of_counts(study)
    scores = Scores.ask(study, (one for one in TABLE if one.quick or (one.of_counts and more)))
    numbers: dict[str, Any] = {}
    for measure, value in scores.values:  # alone, without what else was found of them
        if "." not in measure.name:
            numbers |= measure.answer(Value(value.number, value.error))
    there = [measure for measure, _ in scores.values]
    asked = tuple(one for one in scores.measures if one.quick or one in there)
    return replace(scores, record={**scores.record, **numbers}, measures=asked)


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
    known: Context | None = None,
) -> Scores:
    """Ask a model all measures.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Held-out data, `(N, *data_shape)`.
        training: The data it was trained on, where they are at hand.
        context: What is known of the held-out data. With labels, the NLL and the ELBO are those
            given the label, and everything else is of the prior over all labels.
        training_context: What is known of the training data.
        num_samples: The importance samples per example for the NLL.
        max_training: The most training data to take, the first of a random order.
        max_points: The most samples, and held-out data, for what compares points in pairs.
        pareto_data: The number of examples to fit the tails of importance weights of.
        max_components: The most components of a mixture to take for the NLL of an example, as for
            `negative_log_likelihood`.
        features: What to compare samples by; by default the values themselves.
        seed: The seed of the noise; the generator of the caller is left as it was.
        processes: Processes among which the NLL, the surgery and the holes, which take longest, are
            divided; by default this one alone.
        known: All that is known of the held-out data, as for `evaluate`.

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
        known=known,
    )
    study.draw_in_order(ORDER)
    scores = Scores.ask(study)
    taken = None if study.chosen is None else len(study.chosen)
    return replace(scores, record={"num_training": taken, **scores.record})
