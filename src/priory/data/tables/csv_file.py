"""A table in a text file, with every cell as text."""

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
"""The words that pandas treats as missing values."""


@dataclass(frozen=True)
class Dialect:
    """How the cells of a text file are formatted.

    Attributes:
        separator: The character between cells; None for a comma, or a tab if the file is a `.tsv`.
        decimal: The decimal mark of numbers.
        missing_words: Words for a missing value, in addition to an empty cell.
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
                "expected a separator that differs from the decimal mark, got "
                f"{self.decimal!r} for both."
            )


PLAIN = Dialect()


def read_csv(path: Path, dialect: Dialect) -> Any:
    """Return a text file as a data frame of text: the column names and the cells.

    Raises:
        ValueError: If it cannot be read, or its cells are separated by a different character.
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
            f"expected a table in {path.name}, with rows of cells below a line of names, got a "
            f"file that cannot be read as one: {short(error).rstrip('.')}{advice}."
        ) from error
    if cells is None:
        option = json.dumps({"separator": _others_in(names, separator)})
        raise ValueError(
            f"expected cells separated by {separator!r} in {path.name}, got a single column "
            f"{short(names[0])!r}; use --data-options '{option}'."
        )
    table = cells.iloc[1:].reset_index(drop=True)
    table.columns = names
    return table


def _others_in(names: list[str], separator: str) -> str | None:
    """Guess the separator of a file whose column names were read as a single name."""
    others = (c for c in ";\t|," if c != separator and c in names[0])
    return next(others, None) if len(names) == 1 else None
