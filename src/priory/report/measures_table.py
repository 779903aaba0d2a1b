"""The table of measures on the page: a row for each, with what to read it by."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from priory.evaluation.surgery import NEAR_THE_CEILING
from priory.report.comparison import Entry
from priory.report.differences import Difference, comparable, holes_difference, nll_difference

NONE, MINUS = "none", "\N{MINUS SIGN}"
Compare = Callable[[Entry, Entry], Difference | None]


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


def measures_table(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows of the table.

    A number is best where its difference to every other is above two standard errors; that of two
    NLLs on the same data is the error of the differences between data.

    Args:
        entries: The priors.

    """
    e = [entry.evaluation for entry in entries]
    nll_best = _best(entries, nll_difference) if comparable(entries) else None
    holes_best = _best(entries, holes_difference)
    given = any(one.given_labels for one in e)
    about = ["≈ " if one.prior_standard_error is not None else "" for one in e]
    samples = " or ".join(str(s) for s in sorted({one.num_samples for one in e}))
    rows = [
        Row(
            f"NLL, {MINUS}log p(x|y) where given labels" if given else f"NLL, {MINUS}log p(x)",
            f"lower is better; by {samples} importance samples per datum",
            tuple(
                _cell(one.nll, one.nll_standard_error, best=n == nll_best, mark=mark)
                for n, (one, mark) in enumerate(zip(e, about, strict=True))
            ),
        ),
        Row(
            "ELBO",
            "higher is better; it is the next row less the one after",
            tuple(
                _cell(one.elbo, one.elbo_standard_error, mark=mark)
                for one, mark in zip(e, about, strict=True)
            ),
        ),
        Row(
            "reconstruction",
            "how well a datum is told from its code",
            tuple(_cell(one.reconstruction, one.reconstruction_standard_error) for one in e),
        ),
        Row(
            "rate",
            "nats spent on the code, under the prior",
            tuple(
                _cell(one.rate, one.rate_standard_error, mark=mark)
                for one, mark in zip(e, about, strict=True)
            ),
        ),
        Row(
            "samples in holes",
            "share of prior samples where q(z) has none; 1 % is perfect",
            tuple(
                _cell(
                    one.share_in_holes,
                    one.share_in_holes_standard_error,
                    form=_percent,
                    best=n == holes_best,
                )
                for n, one in enumerate(e)
            ),
        ),
        Row(
            "components in use",
            "perplexity of their shares of the data",
            tuple(Cell(_components(entry)) for entry in entries),
        ),
        *_measured(entries),
        Row(
            "parameters of the prior",
            "what it adds to the model",
            tuple(_cell(entry.parameters, form=lambda v: f"{v:,.0f}") for entry in entries),
        ),
        Row("training", "how long it took", tuple(map(_training, entries))),
    ]
    return [row for row in rows if any(cell.text != NONE for cell in row.cells)]


def _measured(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows that only `priory evaluate` has."""
    kinds: list[tuple[str, str, tuple[str, ...], str, Callable[[float], str], _Better]] = [
        (
            "NLL by priory evaluate",
            "as above, with more samples",
            ("nll", "mean"),
            "standard_error",
            _plain,
            None,
        ),
        (
            "mutual information",
            "what a code tells of its datum; of training data" + _ceilings(entries),
            ("surgery", "mutual_information", "value"),
            "standard_error",
            _plain,
            None,
        ),
        (
            "marginal KL(q(z) ‖ p(z))",
            "what a better prior could gain; of training data",
            ("surgery", "marginal_kl", "value"),
            "standard_error",
            _plain,
            "low",
        ),
        (
            "q(z) outside the prior",
            "share of q(z) where the prior has none; 1 % is perfect",
            ("holes", "posterior_outside"),
            "posterior_outside_standard_error",
            _percent,
            "low",
        ),
        (
            "told from q(z)",
            "by a classifier; 50 % is perfect",
            ("classifier", "accuracy"),
            "standard_error",
            _percent,
            "low",
        ),
        ("precision", "of samples; 1 is perfect", ("samples", "precision"), "", _plain, None),
        ("recall", "of samples; 1 is perfect", ("samples", "recall"), "", _plain, None),
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
            _cell(v, s, form=form, best=n == best, mark="† " if hidden[n] else "")
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


def _best(entries: Sequence[Entry], compare: Compare) -> int | None:
    """Return the position of the entry that is below every other by more than the noise."""
    for n, entry in enumerate(entries):
        gaps = [compare(other, entry) for other in entries if other is not entry]
        if gaps and all(gap is not None and gap.value > 0 and gap.is_clear for gap in gaps):
            return n
    return None


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _cell(
    value: float | None,
    error: float | None = None,
    *,
    form: Callable[[float], str] = _plain,
    best: bool = False,
    mark: str = "",
) -> Cell:
    if value is None or not math.isfinite(value):
        return Cell(NONE)
    known = error is not None and math.isfinite(error)
    text = mark + form(value).replace("-", MINUS)
    return Cell(text, f"± {form(error)}" if known and error is not None else "", best)


def _components(entry: Entry) -> str:
    used = entry.evaluation.components_in_use
    if used is None:
        return NONE
    seen = entry.exploration.components if entry.exploration else None
    return f"{used:.1f}" + (f" of {seen.total:,}" if seen else "")


def _training(entry: Entry) -> Cell:
    if entry.epochs is None:
        return Cell(NONE)
    seconds = "" if entry.seconds is None else f", {entry.seconds:.0f} s"
    return Cell(f"{entry.epochs} epochs{seconds}")
