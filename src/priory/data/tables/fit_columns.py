"""What do the columns of a table mean, by its training rows?"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from priory.arguments import one_of
from priory.data.tables.cells import (
    Value,
    categories_of,
    codes_of,
    is_categorical,
    numbers,
    refuse_missing,
)
from priory.data.tables.columns import Column, Columns
from priory.suggestions import did_you_mean

MOST_CATEGORIES = 256
OWN = "missing"

MissingNumbers = Literal["refuse", "mean", "median"]
MissingCategories = Literal["refuse", "frequent", "own"]


def fit_columns(
    table: Any,
    training: NDArray[np.bool_],
    *,
    label: str | None = None,
    ignored: Sequence[str] = (),
    categorical: Sequence[str] = (),
    missing_numbers: MissingNumbers = "refuse",
    missing_categories: MissingCategories = "refuse",
    where: str = "the table",
) -> Columns:
    """Find the kinds of a table's columns, and their means, scales and categories.

    Text, booleans and columns asked for are categorical, other columns numeric. Means, scales and
    what fills a gap come from the training rows alone; the categories are those of all rows.

    The other arguments are those of `open_table`, with the column of parts among the `ignored`.
    """
    one_of(get_args(MissingNumbers), missing_numbers=missing_numbers)
    one_of(get_args(MissingCategories), missing_categories=missing_categories)
    for name in (*ignored, *categorical, *([] if label is None else [label])):
        check_name(name, table, where)
    columns = []
    for name, cells in table.items():
        if name in ignored or name == label:
            continue
        if name in categorical or is_categorical(cells):
            most = min(MOST_CATEGORIES, max(2, len(table) - 1))
            if name not in categorical and cells.nunique() > most:
                raise ValueError(
                    f"expected at most {most} categories in column {name!r} of {where}, got "
                    f"{cells.nunique()}; drop it, or name it among the categorical ones."
                )
            columns.append(_categorical(cells, name, training, missing_categories, where))
        else:
            columns.append(_numeric(cells, name, training, missing_numbers, where))
    if not columns:
        raise ValueError(f"expected a column of data in {where}, got none.")
    return Columns(tuple(columns), label, tuple(ignored))


def _numeric(
    cells: Any, name: str, training: NDArray[np.bool_], missing: MissingNumbers, where: str
) -> Column:
    values = numbers(cells, name, where)
    if missing == "refuse":
        refuse_missing(np.isnan(values), name, where)
    seen = values[training & ~np.isnan(values)]
    if len(seen) == 0 or seen.min() == seen.max():
        _refuse_constant(name, seen[:1].tolist(), where)
    with np.errstate(over="ignore", invalid="ignore"):  # the column says what is out of range
        mean, scale = float(seen.mean()), float(seen.std())
    fill = {"refuse": None, "mean": mean, "median": float(np.median(seen))}[missing]
    return Column(name, "numeric", mean, scale, fill=fill)


def _categorical(
    cells: Any, name: str, training: NDArray[np.bool_], missing: MissingCategories, where: str
) -> Column:
    absent = cells.isna().to_numpy()
    categories = categories_of(cells)
    if missing == "refuse":
        refuse_missing(absent, name, where)
    codes = codes_of(cells, categories, name, where)[training]
    fill: Value | None = None
    if missing == "frequent" and (codes >= 0).any():
        fill = categories[int(np.bincount(codes[codes >= 0]).argmax())]
        codes = codes[codes >= 0]
    elif missing == "own" and absent.any():
        if OWN in categories:
            raise ValueError(
                f"expected no category called {OWN!r} in column {name!r} of {where} beside missing "
                "values that shall be one; rename it."
            )
        fill, categories = OWN, (*categories, OWN)
    used = np.unique(codes)
    if len(used) < 2:
        _refuse_constant(name, [categories[k] for k in used if k >= 0], where)
    return Column(name, "categorical", categories=categories, fill=fill)


def _refuse_constant(name: str, values: Sequence[Value], where: str) -> None:
    raise ValueError(
        f"expected different values in column {name!r} of {where}, got "
        f"{repr(values[0]) + ' alone' if values else 'none'} in the rows to train on; drop it."
    )


def check_name(name: str, table: Any, where: str) -> None:
    """Refuse the name of a column that is not there, and suggest one that is."""
    if name not in table.columns:
        others = f"; it has {len(table.columns)} others."
        raise ValueError(
            f"expected a column of {where}, got {name!r}"
            + did_you_mean(name, list(table.columns), repr, otherwise=others)
        )
