"""What do the columns of a table mean, according to its training rows?"""

import json
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from priory.arguments import one_of
from priory.data.tables.cells import Cells, ColumnError, Table, Value
from priory.data.tables.columns import MOST_SAID, OWN, Column, Columns

MOST_CATEGORIES = 256
MOST_WHOLE = 2**53
"""From here on a 64-bit float has no decimals that show whether it is whole."""

MissingNumbers = Literal["refuse", "mean", "median"]
MissingCategories = Literal["refuse", "frequent", "own"]


@dataclass(frozen=True)
class Wishes:
    """How to read a table; the attributes are arguments of `open_table`."""

    label: str | None = None
    part: str | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing_numbers: MissingNumbers = "refuse"
    missing_categories: MissingCategories = "refuse"

    def __post_init__(self) -> None:
        one_of(get_args(MissingNumbers), missing_numbers=self.missing_numbers)
        one_of(get_args(MissingCategories), missing_categories=self.missing_categories)

    @property
    def apart(self) -> tuple[str, ...]:
        """The columns that are neither data nor labels."""
        return self.drop if self.part is None else (*self.drop, self.part)


class TableError(ValueError):
    """A table with columns that cannot be read as they are."""

    def __init__(self, wrong: Sequence[ColumnError]) -> None:
        super().__init__("; ".join(str(error).removesuffix(".") for error in wrong[:MOST_SAID]))
        self.wrong = wrong


def fit_columns(table: Table, training: NDArray[np.bool_], wishes: Wishes) -> Columns:
    """Determine the kinds of a table's columns, and their means, scales, ranges and categories.

    Text, booleans and the columns named are categorical, other columns numeric. Means, scales and
    the values that fill gaps come from the training rows only; categories and ranges come from all
    rows.

    Raises:
        TableError: If columns cannot be read, naming all of them.
    """
    for name in (*wishes.apart, *wishes.categorical, *filter(None, [wishes.label])):
        table.check_name(name)
    columns, wrong = [], []
    for name in table.names:
        if name in wishes.apart or name == wishes.label:
            continue
        try:
            columns.append(_column(table.cells(name), training, wishes))
        except ColumnError as error:
            wrong.append(error)
    if wrong:
        raise TableError(wrong)
    if not columns:
        raise ValueError(f"expected a column of data in {table.where}, got none.")
    return Columns(tuple(columns), wishes.label, wishes.apart, dialect=table.dialect)


def _column(cells: Cells, training: NDArray[np.bool_], wishes: Wishes) -> Column:
    asked = cells.name in wishes.categorical
    if not (asked or cells.is_categorical()):
        return _numeric(cells, training, wishes.missing_numbers)
    categories = cells.categories()
    most = min(MOST_CATEGORIES, max(2, len(cells.column) - 1))
    if not asked and len(categories) > most:
        different = f"{len(categories)}, such as {cells.quoted(0)}"
        raise cells.wrong(f"at most {most} categories", different, {"drop": [cells.name]})
    return _categorical(cells, categories, training, wishes.missing_categories)


def _numeric(cells: Cells, training: NDArray[np.bool_], missing: MissingNumbers) -> Column:
    values = cells.numbers()
    if missing == "refuse":
        cells.refuse_missing(cells.missing, "missing_numbers")
    present = values[~cells.missing]
    learned = values[training & ~cells.missing]
    if len(learned) == 0 or learned.min() == learned.max():
        raise _constant(cells, learned[:1].tolist())
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(learned.mean()), float(learned.std())
    if not (np.isfinite(mean) and 0 < scale < np.inf):
        extent = f"numbers from {learned.min()} to {learned.max()}"
        drop = {"drop": [cells.name]}
        raise cells.wrong("numbers with a finite mean and a scale above zero", extent, drop)
    low, high = float(present.min()), float(present.max())
    whole = bool((present == np.round(present)).all()) and max(-low, high) < MOST_WHOLE
    fill = {"refuse": None, "mean": mean, "median": float(np.median(learned))}[missing]
    return Column(cells.name, "numeric", mean, scale, (), fill, low, high, whole)


def _categorical(
    cells: Cells,
    categories: tuple[Value, ...],
    training: NDArray[np.bool_],
    missing: MissingCategories,
) -> Column:
    if missing == "refuse":
        cells.refuse_missing(cells.missing, "missing_categories")
    codes = cells.codes(categories)[training]
    fill: Value | None = None
    if missing == "frequent" and (codes >= 0).any():
        fill = categories[int(np.bincount(codes[codes >= 0]).argmax())]
        codes = codes[codes >= 0]
    elif missing == "own" and cells.missing.any():
        if OWN in categories:
            raise cells.wrong(
                f"no category called {OWN!r} in addition to that for missing values",
                "one",
                {"missing_categories": "frequent"},
                {"drop": [cells.name]},
            )
        fill, categories = OWN, (*categories, OWN)
    used = np.unique(codes)
    if len(used) < 2:
        raise _constant(cells, [categories[k] for k in used if k >= 0])
    return Column(cells.name, "categorical", categories=categories, fill=fill)


def _constant(cells: Cells, values: Sequence[Value]) -> ColumnError:
    got = f"{values[0]!r} alone" if values else "none"
    drop = {"drop": [cells.name]}
    return cells.wrong("different values", f"{got} in the training rows", drop)


def advised(
    attempt: Callable[[dict[str, Any]], object], options: dict[str, Any], error: TableError
) -> str:
    """Return an error about a table, with options that were tried and do read it.

    Args:
        attempt: Reads the table with options.
        options: The options it was read with.
        error: The error.
    """
    said = str(error)
    if len(error.wrong) > MOST_SAID:
        said += f"; there are problems with {len(error.wrong) - MOST_SAID} other columns too"
    # One decimal mark applies to all columns, so it can be right for one and wrong for another.
    working = [_working(attempt, options, error, skipped) for skipped in ((), ("decimal",))]
    best = min(filter(None, working), key=lambda tried: len(tried.get("drop", ())), default=None)
    if best is None:
        return f"{said}; correct this."
    given = shlex.quote(json.dumps(best, ensure_ascii=False))
    return f"{said}; correct this, or read the table with --data-options {given}."


def _working(
    attempt: Callable[[dict[str, Any]], object],
    options: dict[str, Any],
    error: TableError,
    skipped: Sequence[str],
) -> dict[str, Any] | None:
    """Return options that read a table: the first remedy of each column, or the next."""
    tries: Counter[str] = Counter()
    for _ in range(5):
        for wrong in error.wrong:
            remedies = [r for r in wrong.remedies if not set(r) & set(skipped)]
            if not remedies:
                return None
            options = _with(options, remedies[min(tries[wrong.name], len(remedies) - 1)])
            tries[wrong.name] += 1
        try:
            attempt(options)
        except TableError as again:
            error = again
        except ValueError:
            return None
        else:
            return options
    return None


def _with(options: dict[str, Any], remedy: dict[str, Any]) -> dict[str, Any]:
    """Return options with a remedy added; a dropped column has no other role."""
    new = dict(options)
    for name, value in remedy.items():
        new[name] = [*new.get(name, ()), *value] if isinstance(value, list) and value else value
    for name in remedy.get("drop", ()):
        new["categorical"] = [other for other in new.get("categorical", ()) if other != name]
    return {name: value for name, value in new.items() if value not in (None, [], ())} | (
        {"missing_words": []} if new.get("missing_words") == [] else {}
    )
