"""A table in a CSV or a Parquet file."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from priory.data.checks import check_data, existing_file, readable
from priory.data.sources.own_split import complete_parts, parts_by_name
from priory.data.splits import Source
from priory.data.tables.cells import classes_of
from priory.data.tables.columns import Columns
from priory.data.tables.fit_columns import (
    MissingCategories,
    MissingNumbers,
    check_name,
    fit_columns,
)
from priory.extras import needs


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
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Source:
    """Open a table: numeric columns standardised over the training rows, categorical ones one-hot.

    Args:
        path: A CSV file with a line of names above its rows, or a Parquet file.
        label: The column that holds classes, kept apart as labels.
        part: The column that says train, validation or test; by default the split is drawn.
        drop: Columns to leave out.
        categorical: Columns of numbers that stand for categories.
        missing_numbers: `"mean"` or `"median"` of the training rows where a number is missing;
            `"refuse"` refuses it.
        missing_categories: `"frequent"` puts the most frequent category of the training rows where
            one is missing, `"own"` a category of its own; `"refuse"` refuses it.
        separator: What stands between the cells of a CSV file; by default a comma, and a tab where
            the name ends in `.tsv`.
        validation: The fraction of rows to validate on, where no column says so.
        test: The fraction of rows to test on, where no column says so.
        seed: The seed of the split.

    Returns:
        The rows as `(N, D)`, with their split and their `columns`, which turn rows of D numbers
        back into a table in its own units.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If pandas, or pyarrow for a Parquet file, is not installed.
        ValueError: If the file cannot be read, or a column or a cell is not as expected; it is
            named.
    """
    where = Path(path).name
    table = read_table(path, separator)
    if part is None:
        said = torch.zeros(len(table), dtype=torch.int8)
    else:
        check_name(part, table, where)
        said = parts_by_name(table[part].tolist(), f"column {part!r} of {where}")
    parts = complete_parts(said, validation, test, seed)
    if (training := int((parts == 0).sum())) < 2:
        raise ValueError(f"expected at least 2 rows to train on in {where}, got {training}.")
    ignored = tuple(drop) if part is None else (*drop, part)
    columns = fit_columns(
        table,
        (parts == 0).numpy(),
        label=label,
        ignored=ignored,
        categorical=categorical,
        missing_numbers=missing_numbers,
        missing_categories=missing_categories,
        where=where,
    )
    x = check_data(columns.encode(table, where), where)
    labels, names = (None, None) if label is None else classes_of(table[label], label, where)
    return Source(Path(path).name.split(".")[0], x, labels, names, parts, columns)


def open_table_like(
    path: str | Path,
    columns: Columns,
    label_names: tuple[str, ...] | None = None,
    separator: str | None = None,
) -> Source:
    """Open a further table as the one that was trained on: with its means, scales and categories.

    The classes of that table have the names `label_names`.
    """
    where = Path(path).name
    table = read_table(path, separator)
    x = check_data(columns.encode(table, where), where, least=1)
    name = where.split(".")[0]
    if columns.label is None or columns.label not in table.columns:
        return Source(name, x, columns=columns)
    labels, names = classes_of(table[columns.label], columns.label, where, label_names)
    return Source(name, x, labels, names, columns=columns)


def read_table(path: str | Path, separator: str | None = None) -> Any:
    """Read a CSV or a Parquet file with rows, and a name for each column, as a data frame."""
    path = existing_file(path)
    with needs("data"):
        import pandas as pd
    if path.suffix.lower() == ".parquet":
        table = _read_parquet(path)
    else:
        comma = "\t" if ".tsv" in path.name.lower() else ","
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                table = pd.read_csv(path, sep=separator or comma, index_col=False, low_memory=False)
        except (ValueError, OSError, EOFError, pd.errors.ParserWarning) as error:
            raise ValueError(
                f"expected a table in {path.name}, rows of cells under a line of names, got a file "
                f"that cannot be read as one: {' '.join(str(error).split()).rstrip('.')}."
            ) from error
        names = str(table.columns[0])
        if len(table.columns) == 1 and (other := next((c for c in ";\t|" if c in names), None)):
            raise ValueError(
                f"expected cells between {separator or comma!r} in {path.name}, got one column "
                f"{names!r}; say separator={other!r}."
            )
    table.columns = [str(name) for name in table.columns]
    if nameless := [n for n in table.columns if not n.strip() or n.startswith("Unnamed: ")]:
        raise ValueError(
            f"expected a name above each column of {path.name}, got column "
            f"{list(table.columns).index(nameless[0])} without; name it, or remove it if it "
            "counts the rows."
        )
    if len(table) == 0:
        raise ValueError(f"expected rows in {path.name}, got a table without any.")
    return table


def _read_parquet(path: Path) -> Any:
    with needs("data"):
        import pyarrow
        from pyarrow import parquet
    errors = (pyarrow.ArrowException, OSError, ValueError)
    guard = readable(f"a table in {path.name}", "Parquet's", "", *errors)
    with guard, parquet.ParquetFile(path) as file:
        names, table = file.schema_arrow.names, file.read()
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"expected different names of columns in {path.name}, got {twice[0]!r} twice."
        )
    return table.to_pandas().reset_index(drop=True)


SUFFIXES = dict.fromkeys((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet"), open_table)
