"""The results of measures: numbers with their errors, and more detailed results."""

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
    r"""The results of a table of measures for a model; those that do not apply are None.

    Results can be looked up by name, `scores["rate"]`, and those below are also attributes. Means
    are over held-out examples, in nats per example, and each has a standard error, such as
    `rate_standard_error`.

    `nll`: the negative log-likelihood, by importance sampling. From `measure` it is the complete
    result, and so are `surgery`, `latent_use`, `dead_components`, `nearest_to_pseudo_inputs`
    (positions in the training data), `holes`, `classifier`, `discrepancy`, `samples` and
    `memorisation`. `num_samples`: its number of importance samples per example. `elbo`: the
    evidence lower bound. `reconstruction`: its first term, $E_q[\log p(x|z)]$. `rate`: its second,
    $E_q[\log q(z|x) - \log p(z)]$. `components_in_use`: the exponential of the entropy of the mean
    responsibilities. `num_data`, `num_training`: the numbers of examples. `share_in_holes`: the
    share of the prior's samples in holes of q(z), where 0.01 is perfect. `given_labels`: whether
    the numbers are for a known label, $-\log p(x|y)$. `prior_standard_error`: if the prior's
    density contains an estimate (of its normaliser), the resulting standard error of the NLL, the
    ELBO and the rate, whatever the number of examples. `level_rates`, `level_active_units`: only
    for several levels of latents, the rate and the active dimensions of each, starting next to the
    data.

    Attributes:
        record: Everything that is written to JSON, by name.
        measures: The measures that were computed.
        findings: The results that are more than a number, by name.
        log_prob: Log p(x) of each held-out example; None if it was not kept.
    """

    record: Mapping[str, Any]
    measures: tuple[Measure, ...]
    findings: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    log_prob: LogProb | None = field(default=None, repr=False, compare=False)

    @classmethod
    def ask(cls, study: Study, measures: Iterable[Measure]) -> "Scores":
        """Compute measures of a model.

        Args:
            study: The model, and the data it is measured on.
            measures: The measures; those for several levels are skipped if there is only one.
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
        """The measures that have a number, with that number."""
        read = ((measure, measure.read(self.record)) for measure in self.measures if measure.title)
        return [(measure, value) for measure, value in read if value is not None]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The reasons not to trust a number, one sentence each; empty if there are none."""
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
    def nll_per_example(self) -> tuple[float, ...] | None:
        """The NLL of each example, if it was kept."""
        return None if self.log_prob is None else tuple((-self.log_prob.values).tolist())

    @property
    def nll_per_datum(self) -> tuple[float, ...] | None:
        """The name of `nll_per_example` before version 0.2."""
        return self.nll_per_example

    def as_json(self) -> dict[str, Any]:
        """Return the contents of a JSON file; numbers that are not finite are None."""
        return dict(plain(self.record, finite=True))

    numbers = property(as_json)

    def write_log_prob(self, directory: Path) -> None:
        """Write log p(x) of each example to `log_prob.npy`, for comparing runs.

        Args:
            directory: Where to write it.

        Raises:
            ValueError: If it was not kept.
        """
        if self.log_prob is None:
            raise ValueError(
                "expected log p(x) of each example, got scores that were read from a file."
            )
        self.log_prob.write(directory)

    def __str__(self) -> str:
        lines = (f"{title}: {number} ({how})" for title, number, how in self.rows())
        return "\n".join(filter(None, (*lines, self.errors, *self.warnings)))

    def _repr_html_(self) -> str:
        rows = {title: f"{number} ({how})" for title, number, how in self.rows()}
        title = f"{self.record['num_data']} held-out examples. {self.errors}"
        return html_table(title, rows)


class _Named:
    """An attribute of scores with a name in the record."""

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
"""Names in version 0.1.0 of what `evaluate` and `measure` return."""
