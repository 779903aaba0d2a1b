"""What measures answered of a model: numbers with their errors, and what else was found."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from priory.evaluation.levels import OF_LEVELS
from priory.evaluation.log_prob import LogProb
from priory.evaluation.measure import Measure, Value, plain, what_errors_cover
from priory.evaluation.study import Study
from priory.evaluation.top_level import num_levels
from priory.notebook import html_table


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
    def ask(cls, study: Study, measures: Iterable[Measure]) -> "Scores":
        """Ask measures of a model.

        Args:
            study: The model, and the data it is measured on.
            measures: The measures, of which those of several levels are left out for one.
        """
        levels = num_levels(study.vae)
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
