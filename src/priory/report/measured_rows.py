"""The rows of the table of measures: their cells, and those that `priory evaluate` has written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from priory.evaluation.surgery import NEAR_THE_CEILING
from priory.report.comparison import Entry
from priory.report.differences import Difference

NONE, MINUS = "none", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """A number of one prior.

    Attributes:
        text: The number, or `none`.
        error: Its standard error, or nothing.
        best: Whether it is better than all others by more than the noise.

    """

    text: str
    error: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A measure.

    Attributes:
        name: What is measured.
        how: What to read it by.
        cells: The numbers, one for each prior.

    """

    name: str
    how: str
    cells: tuple[Cell, ...]


def plain(value: float) -> str:
    """Return a number of nats."""
    return f"{value:.2f}"


def percent(value: float) -> str:
    """Return a share."""
    return f"{100 * value:.1f} %"


def cell(
    value: float | None,
    error: float | None = None,
    *,
    form: Callable[[float], str] = plain,
    best: bool = False,
    mark: str = "",
) -> Cell:
    """Return the cell of a number with its standard error, where it has one."""
    if value is None or not math.isfinite(value):
        return Cell(NONE)
    known = error is not None and math.isfinite(error)
    text = mark + form(value).replace("-", MINUS)
    return Cell(text, f"± {form(error)}" if known and error is not None else "", best)


def measured_rows(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows that only `priory evaluate` has."""
    kinds: list[tuple[str, str, tuple[str, ...], str, Callable[[float], str], _Better]] = [
        (
            "NLL by priory evaluate",
            "as above, with more samples",
            ("nll", "mean"),
            "standard_error",
            plain,
            None,
        ),
        (
            "mutual information",
            "what a code tells of its datum; of training data" + _ceilings(entries),
            ("surgery", "mutual_information", "value"),
            "standard_error",
            plain,
            None,
        ),
        (
            "marginal KL(q(z) ‖ p(z))",
            "what a better prior could gain; of training data",
            ("surgery", "marginal_kl", "value"),
            "standard_error",
            plain,
            "low",
        ),
        (
            "q(z) outside the prior",
            "share of q(z) where the prior has none; 1 % is perfect",
            ("holes", "posterior_outside"),
            "posterior_outside_standard_error",
            percent,
            "low",
        ),
        (
            "told from q(z)",
            "by a classifier; 50 % is perfect",
            ("classifier", "accuracy"),
            "standard_error",
            percent,
            "low",
        ),
        ("precision", "of samples; 1 is perfect", ("samples", "precision"), "", plain, None),
        ("recall", "of samples; 1 is perfect", ("samples", "recall"), "", plain, None),
        (
            "copying",
            "z-score; far below 0 the samples are copies of training data",
            ("memorisation", "z_score"),
            "",
            lambda v: f"{v:.1f}",
            None,
        ),
    ]
    rows = []
    for name, how, path, error, form, better in kinds:
        found = [_at(entry.measures, path, error) for entry in entries]
        hidden = [path[0] == "surgery" and _at_the_ceiling(entry) for entry in entries]
        best = _lowest(found) if better == "low" and not any(hidden) else None
        cells = (
            cell(v, s, form=form, best=n == best, mark="† " if hidden[n] else "")
            for n, (v, s) in enumerate(found)
        )
        rows.append(Row(name, how, tuple(cells)))
    return rows


def _ceiling(entry: Entry) -> float | None:
    """Return log N, which the mutual information of N data cannot exceed."""
    number, _ = _at(entry.measures, ("surgery", "num_data"), "")
    return None if number is None else math.log(number)


def _at_the_ceiling(entry: Entry) -> bool:
    """Whether the mutual information is so near to it that the truth may lie above."""
    information, _ = _at(entry.measures, ("surgery", "mutual_information", "value"), "")
    ceiling = _ceiling(entry)
    if ceiling is None or information is None:
        return False
    return ceiling - information < NEAR_THE_CEILING


def _ceilings(entries: Sequence[Entry]) -> str:
    known = sorted({f"{c:.2f}" for c in map(_ceiling, entries) if c is not None})
    if not known:
        return ""
    said = f", at most log N = {' or '.join(known)}"
    if any(map(_at_the_ceiling, entries)):
        said += "; † so near to it that the marginal KL below says little"
    return said


_Better = Literal["low"] | None


def _at(measures: Any, path: tuple[str, ...], error: str) -> tuple[float | None, float | None]:
    """Return a number of `measures.json` and its error, which lies beside it."""
    for key in path[:-1]:
        measures = None if measures is None else measures.get(key)
    if measures is None:
        return None, None
    return measures.get(path[-1]), measures.get(error) if error else None


def _lowest(found: Sequence[tuple[float | None, float | None]]) -> int | None:
    if len(found) < 2 or any(v is None or s is None for v, s in found):
        return None
    known = [(float(v or 0), float(s or 0)) for v, s in found]
    first = min(range(len(known)), key=lambda n: known[n][0])
    others = (other for n, other in enumerate(known) if n != first)
    gaps = (Difference(v - known[first][0], math.hypot(s, known[first][1])) for v, s in others)
    return first if all(gap.is_clear for gap in gaps) else None
