"""A table in a CSV or a Parquet file."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import torch

from priory.arguments import only
from priory.data.checks import check_data, existing_file, readable
from priory.data.sources.arrays import map_array
from priory.data.sources.own_split import complete_parts, parts_by_name
from priory.data.splits import Source
from priory.data.tables.cells import ColumnError, Table, classes_of
from priory.data.tables.columns import Columns
from priory.data.tables.csv_file import MISSING_WORDS, PLAIN, DecimalMark, Dialect, read_csv
from priory.data.tables.fit_columns import (
    MissingCategories,
    MissingNumbers,
    TableError,
    Wishes,
    advised,
    fit_columns,
)
from priory.extras import needs

T = TypeVar("T")
ADDED = ("component", "draw")
"""Columns that are added to those of the data when samples are written."""
WRITTEN = ("separator", "decimal", "missing_words")
"""Options that say how a file is formatted, and so may differ between files."""


def open_table(
    path: str | Path,
    *,
    label: str | None = None,
    part: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    missing_numbers: MissingNumbers = "refuse",
    missing_categories: MissingCategories = "refuse",
    separator: str | None = None,
    decimal: DecimalMark = ".",
    missing_words: Sequence[str] = MISSING_WORDS,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Source:
    """Open a table: numeric columns standardised over the training rows, categorical ones one-hot.

    Args:
        path: A CSV file with a header line, or a Parquet file.
        label: The column with the labels.
        part: The column with train, validation or test; by default the split is random.
        drop: Columns to leave out.
        categorical: Columns of numbers that are categories.
        missing_numbers: `"mean"` or `"median"` replaces missing numbers with that of the training
            rows; `"refuse"` refuses them.
        missing_categories: `"frequent"` replaces missing categories with the most frequent one in
            the training rows, `"own"` with a separate category; `"refuse"` refuses them.
        separator: The character between the cells of a CSV file; by default a comma, or a tab if
            the name ends in `.tsv`.
        decimal: The decimal mark of numbers in text, `"."` or `","`.
        missing_words: Words in a CSV file for a missing value, in addition to an empty cell; with
            an empty list, `NA` and `None` are ordinary text.
        validation: The fraction of rows for validation, unless a column says so.
        test: The fraction of rows for testing, unless a column says so.
        seed: The seed of the split.

    Returns:
        The rows as `(N, D)`, with their split and their `columns`, which turn rows of D numbers
        back into a table in its original units.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If pandas, or pyarrow for a Parquet file, is not installed.
        ValueError: If the file cannot be read, or columns or cells are not as expected; the message
            names all such columns, and options with which the table can be read, if there are any.
    """
    options = {
        "label": label,
        "part": part,
        "drop": tuple(drop),
        "categorical": tuple(categorical),
        "missing_numbers": missing_numbers,
        "missing_categories": missing_categories,
        "separator": separator,
        "decimal": decimal,
        "missing_words": tuple(missing_words),
    }
    defaults = _options()
    given = {name: value for name, value in options.items() if value != defaults[name]}
    table = read_table(path, _dialect(given))

    def attempt(options: Mapping[str, Any]) -> Source:
        wishes = {name: value for name, value in options.items() if name not in WRITTEN}
        plain: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in wishes.items()}
        written = replace(table, dialect=_dialect(options))
        return _source(written, Wishes(**plain), Path(path), validation, test, seed)

    try:
        return attempt(given)
    except TableError as error:
        raise ValueError(advised(attempt, given, error)) from error


def _source(
    table: Table, wishes: Wishes, path: Path, validation: float, test: float, seed: int
) -> Source:
    """Return the data of a table, or raise all its problems."""
    wrong: list[ColumnError] = []
    said = torch.zeros(len(table), dtype=torch.int8)
    if (part := wishes.part) is not None:
        table.check_name(part)
        try:
            words = table.cells(part).column.tolist()
            said = parts_by_name(words, f"column {part!r} of {table.where}")
        except ValueError as error:
            wrong.append(ColumnError(str(error)[:-1], part, {"part": None, "drop": [part]}))
    parts = complete_parts(said, validation, test, seed)
    if (training := int((parts == 0).sum())) < 2:
        raise ValueError(f"expected at least 2 training rows in {table.where}, got {training}.")
    try:
        columns = fit_columns(table, (parts == 0).numpy(), wishes)
    except TableError as error:
        wrong += error.wrong
    labels, names = None, None
    if wishes.label is not None:
        try:
            labels, names = classes_of(table.cells(wishes.label))
        except ColumnError as error:
            wrong.append(error)
    if wrong:
        raise TableError(wrong)
    x = check_data(columns.encode_table(table), table.where)
    ids = _beside(table, columns)
    return Source(path.name.split(".")[0], x, labels, names, parts, columns, ids=ids)


def open_table_like(
    path: str | Path,
    columns: Columns,
    label_names: tuple[str, ...] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """Open another table like the training table: with its means, scales and categories.

    It may have the format of the training table, or that of samples written by Priory.

    Args:
        path: The file; `.npy` too, of named fields.
        columns: What the columns mean.
        label_names: The names of the labels.
        options: How it is formatted, and columns to `drop`.
    """

    def read(table: Table, named: Table) -> Source:
        x = check_data(columns.encode_table(named), table.where, least=1)
        name, ids = table.where.split(".")[0], _beside(table, columns)
        if columns.label is None or columns.label not in named.names:
            return Source(name, x, columns=columns, ids=ids)
        labels, names = classes_of(named.cells(columns.label), label_names)
        return Source(name, x, labels, names, columns=columns, ids=ids)

    return read_like(read, path, columns, options)


def read_like(
    read: Callable[[Table, Table], T],
    path: str | Path,
    columns: Columns,
    options: Mapping[str, Any] | None = None,
) -> T:
    """Read a further table, whether it is written as the one trained on or as Priory writes one.

    Args:
        read: What reads it, from the whole table and from that without columns left out.
        path: The file.
        columns: What the columns mean.
        options: How it is written, and columns to `drop`.
    """
    options = dict(options or {})
    only(options, _options(), f"a table, {path}")

    def attempt(dialect: Dialect) -> T:
        table = read_table(path, dialect)
        for name in (drop := options.get("drop", ())):
            table.check_name(name)
        left_out = [*drop, *(name for name in ADDED if name not in columns.names)]
        kept = [place for place, name in enumerate(table.names) if name not in left_out]
        return read(table, replace(table, frame=table.frame.iloc[:, kept]))

    written = {name: value for name, value in options.items() if name in WRITTEN}
    dialect = replace(columns.dialect, **vars(_dialect(vars(columns.dialect) | written)))
    try:
        return attempt(dialect)
    except ValueError:
        ours = replace(dialect, separator=None, decimal=".")
        if written or ours == dialect:
            raise
        try:
            return attempt(ours)
        except ValueError:
            pass  # the error about the training columns says more
        raise


def _beside(table: Table, columns: Columns) -> dict[str, Sequence[Any]]:
    """Return the columns of a table that are neither data nor labels."""
    apart = (*columns.names, columns.label)
    places = {name: place for place, name in enumerate(table.names) if name not in apart}
    return {name: table.frame.iloc[:, place].tolist() for name, place in places.items()}


def _options() -> dict[str, Any]:
    """Return the options of a table and their defaults."""
    facts = ("path", "validation", "test", "seed")
    parameters = inspect.signature(open_table).parameters
    return {name: p.default for name, p in parameters.items() if name not in facts}


def _dialect(options: Mapping[str, Any]) -> Dialect:
    given = {name: options[name] for name in WRITTEN if name in options}
    plain: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    return Dialect(**plain)


def read_table(path: str | Path, dialect: Dialect = PLAIN) -> Table:
    """Read a file with rows and named columns: CSV, Parquet, or an array with named fields."""
    path = existing_file(path)
    with needs("data"):
        import pandas as pd
    typed = path.suffix.lower() in (".parquet", ".npy")
    if path.suffix.lower() == ".parquet":
        frame = _read_parquet(path)
    elif typed:
        rows = map_array(path)
        if rows.dtype.names is None or rows.ndim != 1:
            raise ValueError(f"expected rows with named fields in {path.name}, got {rows.dtype}.")
        frame = pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    else:
        frame = read_csv(path, dialect)
    names = [str(name) for name in frame.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"expected unique column names in {path.name}, got {twice[0]!r} twice; rename one of "
            "them."
        )
    if nameless := [place for place, name in enumerate(names) if not name.strip()]:
        raise ValueError(
            f"expected a name for each column of {path.name}, got column {nameless[0]} without "
            "one; name it, or remove it if it only numbers the rows."
        )
    if len(frame) == 0:
        raise ValueError(f"expected rows in {path.name}, got a table without any.")
    return Table(frame, path.name, dialect, typed)


def _read_parquet(path: Path) -> Any:
    with needs("data"):
        import pyarrow
        from pyarrow import parquet
    errors = (pyarrow.ArrowException, OSError, ValueError, OverflowError)
    guard = readable(f"a table in {path.name}", "Parquet's", "", *errors)
    with guard, parquet.ParquetFile(path) as file:
        names, table = file.schema_arrow.names, file.read()
        if len(set(names)) < len(names):  # which pandas would refuse
            return SimpleNamespace(columns=names)
        try:
            return table.to_pandas().reset_index(drop=True)
        except Exception:  # an invalid pandas description can raise anything
            frame = table.replace_schema_metadata(None).to_pandas()
            index = [name for name in names if re.fullmatch(r"__index_level_\d+__", name)]
            return frame.drop(columns=index)


SUFFIXES = dict.fromkeys((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet"), open_table)
LIKE = {open_table: open_table_like}
