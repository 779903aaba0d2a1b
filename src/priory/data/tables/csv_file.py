"""A table in a file of text, every cell as it is written."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from priory.arguments import one_of
from priory.extras import needs
from priory.suggestions import short

DecimalMark = Literal[".", ","]
MISSING_WORDS = (
    *("NA", "N/A", "n/a", "<NA>", "#N/A", "#N/A N/A", "#NA", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""What pandas takes for a missing value."""


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file of text are written.

    Attributes:
        separator: What stands between cells; None for a comma, or a tab where the file is a `.tsv`.
        decimal: What stands before the decimals of a number.
        missing_words: Words that stand for a missing value, as an empty cell does.
    """

    separator: str | None = None
    decimal: DecimalMark = "."
    missing_words: tuple[str, ...] = MISSING_WORDS

    def __post_init__(self) -> None:
        one_of(get_args(DecimalMark), decimal=self.decimal)
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise ValueError(
                f"expected one character for separator, got {self.separator!r}; a tab is '\\t'."
            )
        if self.separator == self.decimal:
            raise ValueError(
                f"expected another separator than the decimal mark, got {self.decimal!r} for both."
            )


PLAIN = Dialect()


def read_csv(path: Path, dialect: Dialect) -> Any:
    """Return a file of text as a data frame of text: a name for each column, and its cells.

    Raises:
        ValueError: If it cannot be read so, or its cells stand between other characters.
    """
    with needs("data"):
        import pandas as pd
    separator = dialect.separator or ("\t" if ".tsv" in path.name.lower() else ",")
    options: dict[str, Any] = {"header": None, "index_col": False, "dtype": str, "na_filter": False}
    errors = (ValueError, OSError, EOFError, OverflowError, pd.errors.ParserWarning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            first = pd.read_csv(path, sep=separator, nrows=1, **options)
            names = [cell if isinstance(cell, str) else "" for cell in first.iloc[0]]
            cells = (
                None
                if _others_in(names, separator)
                else pd.read_csv(path, sep=separator, **options)
            )
    except errors as error:
        advice = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise ValueError(
            f"expected a table in {path.name}, rows of cells under a line of names, got a file "
            f"that cannot be read as one: {short(error).rstrip('.')}{advice}."
        ) from error
    if cells is None:
        option = json.dumps({"separator": _others_in(names, separator)})
        raise ValueError(
            f"expected cells between {separator!r} in {path.name}, got one column "
            f"{short(names[0])!r}; say --data-options '{option}'."
        )
    table = cells.iloc[1:].reset_index(drop=True)
    table.columns = names
    return table


def _others_in(names: list[str], separator: str) -> str | None:
    """Return what seems to stand between cells, where all names are taken for one."""
    others = (c for c in ";\t|," if c != separator and c in names[0])
    return next(others, None) if len(names) == 1 else None
