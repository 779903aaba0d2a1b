"""The results of the kit: one per check, and a report of all of them."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Verdict = Literal["passed", "failed", "inconclusive", "skipped"]


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Attributes:
        check: The name of the check.
        verdict: `"passed"`, `"failed"`, `"inconclusive"` (the check could not decide) or
            `"skipped"` (there is nothing to check, or you asked to leave it out).
        statistic: The measurement: an error, or a p-value.
        threshold: The upper limit of an error, or the lower limit of a p-value.
        is_p_value: Whether the statistic is a p-value.
        note: What the statistic is, or why there is none.
        causes: For a failure, its likely causes, most likely first.
    """

    check: str
    verdict: Verdict
    statistic: float | None = None
    threshold: float | None = None
    is_p_value: bool = False
    note: str = ""
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The results of all checks; prints as a table.

    Attributes:
        name: What was checked.
        results: One result per check, in the order in which they ran.
    """

    name: str
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed and none was inconclusive."""
        return not self.failures and not self.inconclusive

    @property
    def failures(self) -> tuple[Result, ...]:
        """The results of the checks that failed."""
        return tuple(result for result in self.results if result.verdict == "failed")

    @property
    def inconclusive(self) -> tuple[Result, ...]:
        """The results of the checks that could not decide."""
        return tuple(result for result in self.results if result.verdict == "inconclusive")

    @property
    def causes(self) -> tuple[str, ...]:
        """The likely causes of all failures; those shared by more failures come first."""
        # A failure's first cause counts most; ties keep the order of the checks.
        score: dict[str, float] = {}
        for failure in self.failures:
            for rank, cause in enumerate(failure.causes):
                score[cause] = score.get(cause, 0.0) + 0.5**rank
        return tuple(sorted(score, key=lambda cause: -score[cause]))

    def __str__(self) -> str:
        rows = [("check", "statistic", "threshold", "verdict", "")]
        rows += [_row(result) for result in self.results]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.insert(1, "-" * max(map(len, lines)))
        answer = "passed" if self.passed else "NOT PASSED"
        counts = f"{len(self.failures)} failed, {len(self.inconclusive)} inconclusive"
        lines += ["", f"{self.name}: {answer} ({len(self.results)} checks, {counts})"]
        if self.causes:
            lines += ["", "Likely causes, most likely first:"]
            for i, cause in enumerate(self.causes, 1):
                says = ", ".join(r.check for r in self.failures if cause in r.causes)
                lines.append(f"  {i}. {cause} [{says}]")
        return "\n".join(lines)


def _row(result: Result) -> tuple[str, str, str, str, str]:
    symbol, side = ("p = ", "> ") if result.is_p_value else ("", "<= ")
    statistic = "" if result.statistic is None else f"{symbol}{result.statistic:.3g}"
    threshold = "" if result.threshold is None else f"{side}{result.threshold:.3g}"
    return result.check, statistic, threshold, result.verdict, result.note


def by_error(
    error: float, tolerance: float, note: str, causes: tuple[str, ...] = (), bar: float = 0.0
) -> Result:
    """Judge an error known to within `bar`; inconclusive if the bar could change the verdict."""
    if math.isnan(error):
        note = f"{note}: not a number"
    if not error - bar <= tolerance:
        return Result("", "failed", error, tolerance, note=note, causes=causes)
    verdict: Verdict = "passed" if error + bar <= tolerance else "inconclusive"
    return Result("", verdict, error, tolerance, note=note)


def by_p_value(p: float, level: float, note: str, causes: tuple[str, ...] = ()) -> Result:
    """Judge a p-value: at or below the level it fails."""
    if p > level:
        return Result("", "passed", p, level, True, note)
    return Result("", "failed", p, level, True, note, causes)


def inconclusive(note: str) -> Result:
    """Return that a check could not decide, and why."""
    return Result("", "inconclusive", note=note)


def skipped(note: str) -> Result:
    """Return that there is nothing to check, and why."""
    return Result("", "skipped", note=note)


def failed(note: str, *causes: str) -> Result:
    """Return that a check failed without a measurement."""
    return Result("", "failed", note=note, causes=causes)


def passed(note: str = "") -> Result:
    """Return that a check passed without a measurement."""
    return Result("", "passed", note=note)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative if above one; infinite if shapes differ."""
    if actual.shape != expected.shape:
        return math.inf
    return float(((actual - expected).abs() / (1 + expected.abs())).max().detach())


def first_line(error: Exception) -> str:
    """Return the start of an exception's message."""
    return (str(error).strip() or "no message").splitlines()[0][:240]
