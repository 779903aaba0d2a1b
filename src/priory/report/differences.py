"""Is one prior better than another, or only luckier with its test data or its seed?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from priory.distributions import widened
from priory.evaluation import Evaluation, Measure, Value
from priory.evaluation.evidence import NLL
from priory.evaluation.holes import SHARE_IN_HOLES
from priory.evaluation.measure import MINUS
from priory.report.entries import Measured

CLEAR = 2.0
"""A difference is clear beyond this many standard errors over data, and this many standard
deviations over seeds."""


@dataclass(frozen=True)
class Difference:
    """A difference of two measured numbers, under one seed or the mean over several.

    Attributes:
        value: The difference.
        error: Its standard error over the data; NaN where it is not known.
        paired: Whether the error is that of the differences between the same examples.
        seeds: The difference under each seed; empty where there is one.
    """

    value: float
    error: float
    paired: bool = False
    seeds: tuple[float, ...] = field(default=())

    @property
    def is_clear(self) -> bool:
        """Whether it is beyond the noise of the data, and the seeds agree."""
        beyond = abs(self.value) > CLEAR * self.error  # never, where the error is not known
        return beyond and self.seeds_agree

    @property
    def seeds_agree(self) -> bool:
        """Whether it has one sign under all seeds and is more than twice their spread."""
        if not self.seeds:
            return True
        same = all(one * self.value > 0 for one in self.seeds)
        return same and abs(self.value) > CLEAR * stdev(self.seeds)

    @property
    def over_seeds(self) -> float | None:
        """Its standard error over seeds; None for one."""
        return stdev(self.seeds) / math.sqrt(len(self.seeds)) if self.seeds else None

    @property
    def errors(self) -> tuple[str, ...]:
        """Each standard error in words."""
        spread = () if self.over_seeds is None else (f"± {self.over_seeds:.2f} over seeds",)
        over_data = () if math.isnan(self.error) else (f"± {self.error:.2f} over data",)
        return (*spread, *over_data)

    @property
    def signed(self) -> str:
        """The difference with its sign."""
        return f"{self.value:+.2f}".replace("-", MINUS)

    @property
    def noise(self) -> float:
        """The larger of its standard errors."""
        return max(self.error, self.over_seeds or 0.0)

    def __str__(self) -> str:
        return f"{abs(self.value):.2f} ± {self.noise:.2f}"


def difference(measure: Measure, first: Measured, second: Measured) -> Difference | None:
    """Return by how much a number of one prior is above that of another, where both have one.

    Trained with several seeds, they are compared seed by seed.
    """
    pairs = list(zip(first.evaluations, second.evaluations, strict=False))
    if len(first.evaluations) != len(second.evaluations):
        pairs = pairs[:1]
    if len(pairs) > 1:
        gaps = [_of_pair(measure, *pair) for pair in pairs]
        measured = [gap for gap in gaps if gap is not None]
        return _over_seeds(measured) if len(measured) == len(gaps) else None
    if measure is NLL:
        return _of_nll(*pairs[0])
    return _of_values(*(one.value(measure) for one in (first, second)))


def nll_difference(first: Measured, second: Measured) -> Difference:
    """Return by how much the NLL of one prior is above that of another.

    Where both were measured on the same examples, it is the mean of the differences between them,
    whose standard error is far smaller than that of either mean. What estimated densities leave is
    added in quadrature.
    """
    gap = difference(NLL, first, second)
    assert gap is not None  # every model has an NLL
    return gap


def holes_difference(first: Measured, second: Measured) -> Difference | None:
    """Return by how much the share in holes of one prior is above that of another."""
    return difference(SHARE_IN_HOLES, first, second)


def _of_pair(measure: Measure, a: Evaluation, b: Evaluation) -> Difference | None:
    """Return a difference under one seed."""
    if measure is NLL:
        return _of_nll(a, b)
    return _of_values(measure.read(a.record), measure.read(b.record))


def _of_values(a: Value | None, b: Value | None) -> Difference | None:
    if a is None or b is None or isinstance(a.number, tuple) or isinstance(b.number, tuple):
        return None
    errors = (math.nan if isinstance(v.error, tuple | None) else v.error for v in (a, b))
    return Difference(a.number - b.number, math.hypot(*errors))


def _of_nll(a: Evaluation, b: Evaluation) -> Difference:
    estimates = math.hypot(a.prior_standard_error or 0.0, b.prior_standard_error or 0.0)
    pairs = None if a.log_prob is None or b.log_prob is None else a.log_prob.paired(b.log_prob)
    if pairs is None or len(pairs) < 2:
        errors = [e.nll_standard_error for e in (a, b)]
        numbers = (math.nan if error is None else error for error in errors)
        return Difference(a.nll - b.nll, math.hypot(*numbers, estimates))
    gap = widened(pairs[:, 1]) - widened(pairs[:, 0])
    error = float(gap.std()) / math.sqrt(len(gap))
    return Difference(float(gap.mean()), math.hypot(error, estimates), paired=True)


def _over_seeds(differences: Sequence[Difference]) -> Difference:
    """Return the mean of differences over seeds.

    All seeds may share the same test examples, so the error over data is not divided by them.
    """
    values = tuple(one.value for one in differences)
    error = fmean(one.error for one in differences)
    return Difference(fmean(values), error, all(one.paired for one in differences), values)


def same_data(first: Measured, second: Measured) -> bool:
    """Whether two priors were measured on the same examples, as far as can be seen."""
    a, b = first.evaluation.log_prob, second.evaluation.log_prob
    return a is not None and b is not None and a.paired(b) is not None


def comparable(entries: Sequence[Measured]) -> bool:
    """Whether the NLLs of all mean the same: none given a label where another is not."""
    return len({entry.evaluation.given_labels for entry in entries}) < 2
