"""Whether one prior is better than another, or only luckier with its test data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from priory.distributions import widened
from priory.evaluation import Measure
from priory.evaluation.evidence import NLL
from priory.evaluation.holes import SHARE_IN_HOLES
from priory.report.entries import Entry

CLEAR = 2.0
"""A difference is beyond the noise from so many standard errors on."""


@dataclass(frozen=True)
class Difference:
    """A difference of two measured numbers.

    Attributes:
        value: The difference.
        error: Its standard error; NaN where it is not known.
        paired: Whether the error is that of the differences between the same examples.
    """

    value: float
    error: float
    paired: bool = False

    @property
    def is_clear(self) -> bool:
        """Whether it is beyond the noise."""
        return abs(self.value) > CLEAR * self.error  # never, where the error is not known

    def __str__(self) -> str:
        return f"{abs(self.value):.2f} ± {self.error:.2f}"


def difference(measure: Measure, first: Entry, second: Entry) -> Difference | None:
    """Return by how much a number of one prior is above that of another, where both have one."""
    if measure.name == NLL.name:
        return nll_difference(first, second)
    a, b = first.value(measure), second.value(measure)
    if a is None or b is None or isinstance(a.number, tuple) or isinstance(b.number, tuple):
        return None
    errors = (math.nan if isinstance(v.error, tuple | None) else v.error for v in (a, b))
    return Difference(a.number - b.number, math.hypot(*errors))


def nll_difference(first: Entry, second: Entry) -> Difference:
    """Return by how much the NLL of one prior is above that of another.

    Where both were measured on the same examples, it is the mean of the differences between them,
    whose standard error is far smaller than that of either mean. What estimated densities leave is
    added in quadrature.
    """
    a, b = first.evaluation, second.evaluation
    estimates = math.hypot(a.prior_standard_error or 0.0, b.prior_standard_error or 0.0)
    pairs = None if a.log_prob is None or b.log_prob is None else a.log_prob.paired(b.log_prob)
    if pairs is None or len(pairs) < 2:
        errors = (e.nll_standard_error for e in (a, b))
        known = (math.nan if error is None else error for error in errors)
        return Difference(a.nll - b.nll, math.hypot(*known, estimates))
    gap = widened(pairs[:, 1]) - widened(pairs[:, 0])
    error = float(gap.std()) / math.sqrt(len(gap))
    return Difference(float(gap.mean()), math.hypot(error, estimates), paired=True)


def holes_difference(first: Entry, second: Entry) -> Difference | None:
    """Return by how much the share in holes of one prior is above that of another."""
    return difference(SHARE_IN_HOLES, first, second)


def same_data(first: Entry, second: Entry) -> bool:
    """Whether two priors were measured on the same examples, as far as can be seen."""
    a, b = first.evaluation.log_prob, second.evaluation.log_prob
    return a is not None and b is not None and a.paired(b) is not None


def comparable(entries: Sequence[Entry]) -> bool:
    """Whether the NLLs of all mean the same: none given a label where another is not."""
    return len({entry.evaluation.given_labels for entry in entries}) < 2
