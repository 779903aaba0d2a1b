"""Whether one prior is better than another, or only luckier with its test data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import tensor

from priory.report.comparison import Entry

CLEAR = 2.0
"""A difference is beyond the noise from so many standard errors on."""


@dataclass(frozen=True)
class Difference:
    """A difference of two measured numbers.

    Attributes:
        value: The difference.
        error: Its standard error; NaN where it is not known.
        paired: Whether the error is that of the differences between the same data.

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


def nll_difference(first: Entry, second: Entry) -> Difference:
    """Return by how much the NLL of one prior is above that of another.

    Where both were measured on the same data, it is the mean of the differences between them, whose
    standard error is far smaller than that of either mean. What estimated densities leave is added
    in quadrature.
    """
    a, b = first.evaluation, second.evaluation
    estimates = math.hypot(a.prior_standard_error or 0.0, b.prior_standard_error or 0.0)
    own, other = a.nll_per_datum, b.nll_per_datum
    if own is None or other is None or not same_data(first, second) or len(own) < 2:
        error = math.hypot(a.nll_standard_error, b.nll_standard_error, estimates)
        return Difference(a.nll - b.nll, error)
    gap = tensor(own).double() - tensor(other).double()
    error = float(gap.std()) / math.sqrt(len(gap))
    return Difference(float(gap.mean()), math.hypot(error, estimates), paired=True)


def holes_difference(first: Entry, second: Entry) -> Difference | None:
    """Return by how much the share in holes of one prior is above that of another."""
    a, b = first.evaluation, second.evaluation
    if a.share_in_holes is None or b.share_in_holes is None:
        return None
    errors = (a.share_in_holes_standard_error, b.share_in_holes_standard_error)
    error = math.hypot(*(math.nan if e is None else e for e in errors))
    return Difference(a.share_in_holes - b.share_in_holes, error)


def same_data(first: Entry, second: Entry) -> bool:
    """Whether two priors were measured on the same data, as far as can be seen."""
    a, b = first.exploration, second.exploration
    return a is not None and b is not None and a.data.equal(b.data)


def comparable(entries: Sequence[Entry]) -> bool:
    """Whether the NLLs of all mean the same: none given a label where another is not."""
    return len({entry.evaluation.given_labels for entry in entries}) < 2
