"""The cells of a column as numbers, categories or labels; errors name the first invalid cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from priory.data.checks import MOST_LABELS
from priory.data.tables.csv_file import PLAIN, Dialect
from priory.data.tables.writings import writing_of
from priory.extras import needs
from priory.suggestions import did_you_mean, short

Value = str | int | float | bool


class ColumnError(ValueError):
    """A column that cannot be read as it is.

    Attributes:
        name: The column.
        remedies: Options with which the table can still be read, best first.
    """

    def __init__(self, sentence: str, name: str, *remedies: dict[str, Any]) -> None:
        super().__init__(sentence + ".")
        self.name, self.remedies = name, remedies


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one column.

    Attributes:
        column: A `pandas.Series`.
        name: The name of the column.
        where: What to call the table in an error message.
        dialect: How numbers and missing values are formatted in text.
        typed: Whether the column has a type that marks missing values, rather than being plain
            text.
    """

    column: Any
    name: str
    where: str
    dialect: Dialect = PLAIN
    typed: bool = True

    @cached_property
    def is_text(self) -> bool:
        """Whether every cell with a value is text."""
        with needs("data"):
            import pandas as pd
        return bool(pd.api.types.infer_dtype(self.column, skipna=True) == "string")

    @cached_property
    def texts(self) -> Any:
        """The cells, stripped of surrounding spaces if they are text."""
        return self.column.astype(object).str.strip()

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Which cells have no value, `(N,)`."""
        missing = self.column.isna()
        if self.is_text and not self.typed:
            missing |= self.texts.isin(["", *self.dialect.missing_words])
        return np.asarray(missing, bool)

    def wrong(self, expected: str, got: str, *remedies: dict[str, Any]) -> ColumnError:
        """Return the error about this column."""
        sentence = f"expected {expected} in column {self.name!r} of {self.where}, got {got}"
        return ColumnError(sentence, self.name, *remedies)

    def quoted(self, row: int) -> str:
        """Return a cell as quoted in an error message."""
        cell = self.column.iloc[row]
        return f"{short(repr(cell) if isinstance(cell, str) else str(cell))} in row {row}"

    @cached_property
    def parsed(self) -> NDArray[np.float64]:
        """The numbers in the cells, and NaN for anything else, `(N,)`."""
        with needs("data"):
            import pandas as pd
        column = self.texts if self.is_text else self.column
        if self.is_text and self.dialect.decimal == ",":
            marked = column.str.contains(".", regex=False, na=False)
            column = column.mask(marked, "").str.replace(",", ".", regex=False)
        try:
            array = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError, OverflowError):  # whole numbers of hundreds of digits, lists
            array = np.array([_number(cell) for cell in column], np.float64)
        return np.where(self.missing, np.nan, array)

    def numbers(self) -> NDArray[np.float64]:
        """Return the numbers, with NaN where a value is missing, `(N,)`.

        Raises:
            ColumnError: If a cell contains anything else.
        """
        if getattr(self.column.dtype, "kind", "O") in "Mmc":
            raise self.wrong("numbers or text", f"{self.column.dtype}", {"drop": [self.name]})
        others = np.isnan(self.parsed) & ~self.missing
        if others.any():
            raise self._other_than_numbers(others)
        if np.isinf(self.parsed).any():
            row = int(np.isinf(self.parsed).argmax())
            raise self.wrong("finite numbers", self.quoted(row), {"drop": [self.name]})
        return self.parsed

    def _other_than_numbers(self, others: NDArray[np.bool_]) -> ColumnError:
        """Return the error about the first cell that is not a number."""
        row, drop, decimal = int(others.argmax()), {"drop": [self.name]}, self.dialect.decimal
        if not self.is_text:
            return self.wrong("numbers or text", self.quoted(row), drop)
        writing = writing_of(self.texts.iloc[row], decimal)
        few = self.texts[~self.missing].nunique() <= max(2, min(20, len(self.column) // 2))
        remedies: list[dict[str, Any]] = [{"categorical": [self.name]}, drop] if few else [drop]
        if writing is None:
            return self.wrong("a number", self.quoted(row), *remedies)
        got = f"{self.quoted(row)}, which is {writing.name}"
        if writing.is_date:
            return self.wrong("numbers or text", got, drop)
        writings = (writing_of(text, decimal) for text in self.texts[others])
        if any(other is not None and other.is_decimal for other in writings):
            remedies.insert(0, {"decimal": "," if decimal == "." else "."})
        return self.wrong(f"a number such as 19{decimal}5", got, *remedies)

    def is_categorical(self) -> bool:
        """Return whether the cells are categories: text, booleans, or a categorical type.

        Numbers mixed with some text are not categories, nor are formatted numbers or dates.

        Raises:
            ColumnError: If they are neither categories nor numbers.
        """
        with needs("data"):
            import pandas as pd
        kind = pd.api.types.infer_dtype(self.column, skipna=True)
        if isinstance(self.column.dtype, pd.CategoricalDtype) or kind == "boolean":
            return True
        if not self.is_text:
            return False
        present = self.texts[~self.missing]
        others = np.isnan(self.parsed) & ~self.missing
        if not others.any():
            return False
        different = present.unique()
        written = {text for text in different if writing_of(text, self.dialect.decimal)}
        if written:
            raise self._other_than_numbers(np.asarray(self.texts.isin(written)) & others)
        numbers = ~np.isnan(self.parsed)
        if not numbers.any():
            return True
        if numbers.sum() >= others.sum():
            raise self._other_than_numbers(others)
        remedies = ({"categorical": [self.name]}, {"drop": [self.name]})
        raise self.wrong("text alone", self.quoted(int(numbers.argmax())), *remedies)

    def categories(self) -> tuple[Value, ...]:
        """Return the distinct values, sorted or in the order that their type declares."""
        with needs("data"):
            import pandas as pd
        if isinstance(self.column.dtype, pd.CategoricalDtype):
            values = self.column.cat.remove_unused_categories().cat.categories.tolist()
        else:
            values = self.column[~self.missing].unique().tolist()
            if self.is_text and not self.typed:
                values = _typed(values)
            values.sort(key=lambda value: (isinstance(value, str), value))
        return tuple(v if isinstance(v, Value) else str(v) for v in values)

    def codes(self, categories: Sequence[Value]) -> NDArray[np.int64]:
        """Return the position of each cell among the categories, `(N,)`, or −1 for a missing cell.

        Cells and categories are compared as text, so that written files can be read again.

        Raises:
            ColumnError: If a cell is not one of them.
        """
        with needs("data"):
            import pandas as pd
        places = {key_of(category): place for place, category in enumerate(categories)}
        numeric = {
            float(c): place
            for place, c in enumerate(categories)
            if isinstance(c, int | float) and not isinstance(c, bool)
        }
        booleans = {str(c).lower(): k for k, c in enumerate(categories) if isinstance(c, bool)}

        def place_of(value: Any) -> int:
            key = key_of(value)
            if key in places:
                return places[key]
            if numeric and (number := _number(value)) in numeric:
                return numeric[number]
            return booleans.get(key.strip().lower(), -1)

        rows, values = pd.factorize(self.column.astype(object))  # each value is looked up once
        looked_up = np.array([*map(place_of, values), -1], np.int64)
        codes: NDArray[np.int64] = looked_up[rows]
        unknown = (codes < 0) & ~self.missing
        if unknown.any():
            shown = ", ".join(repr(c) for c in categories[:8])
            shown += ", ..." if len(categories) > 8 else ""
            raise self.wrong(f"one of {shown}", self.quoted(int(unknown.argmax())))
        return codes

    def refuse_missing(self, missing: NDArray[np.bool_], option: str | None = None) -> None:
        """Refuse missing values, naming the first one and the option that fills them in."""
        if not missing.any():
            return
        row = int(missing.argmax())
        cell = self.column.iloc[row]
        is_word = isinstance(cell, str) and cell.strip()
        got = f"{self.quoted(row)}, a word for a missing value" if is_word else f"none in row {row}"
        many = f" and {int(missing.sum()) - 1:,} others" if missing.sum() > 1 else ""
        fill = [{option: "mean" if option == "missing_numbers" else "own"}] if option else []
        keep: list[dict[str, Any]] = (
            [{"missing_words": []}] if is_word and option != "missing_numbers" else []
        )
        raise self.wrong("a value", got + many, *fill, *keep, {"drop": [self.name]})


@dataclass(frozen=True, eq=False)
class Table:
    """A table as read from a file.

    Attributes:
        frame: A `pandas.DataFrame`.
        where: What to call it in an error message.
        dialect: How numbers and missing values are formatted in text.
        typed: Whether columns have types, rather than all being text.
    """

    frame: Any
    where: str
    dialect: Dialect = PLAIN
    typed: bool = True

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [str(name) for name in self.frame.columns]

    def cells(self, name: str) -> Cells:
        """Return the cells of a column, after `check_name`."""
        self.check_name(name)
        column = self.frame.iloc[:, self.names.index(name)]
        return Cells(column, name, self.where, self.dialect, self.typed)

    def check_name(self, name: str) -> None:
        """Refuse the name of a column that does not exist, and suggest one that does."""
        if name not in self.names:
            others = f"; it has {len(self.names)} others."
            raise ValueError(
                f"expected a column of {self.where}, got {name!r}"
                + did_you_mean(name, self.names, repr, otherwise=others)
            )


def key_of(value: Any) -> str:
    """Return a category as text, which is the same whether or not a file kept its type.

    Examples:
        >>> from priory.data.tables.cells import key_of
        >>> key_of(3), key_of(3.0), key_of("3"), key_of(True), key_of("03")
        ('3', '3', '3', 'True', '03')
    """
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _number(value: Any) -> float:
    try:
        return float("nan") if "_" in str(value) else float(value)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        return float("nan")


def _typed(texts: list[str]) -> list[Any]:
    """Return texts as booleans, whole numbers or numbers, if no information is lost."""
    if set(texts) <= {"True", "False"}:
        return [text == "True" for text in texts]
    for kind in (int, float):
        try:
            values = [kind(text) for text in texts]
        except ValueError:
            continue
        if [str(value) for value in values] == texts and all(abs(v) < 2**63 for v in values):
            return values
    return texts


def classes_of(
    cells: Cells, names: tuple[str, ...] | None = None
) -> tuple[Int64[Tensor, " N"], tuple[str, ...]]:
    """Return the label of each row, from text, booleans or whole numbers, and the labels' names.

    The names are those given, or by default those in the column, sorted.

    Raises:
        ColumnError: If there are numbers that are not whole, or too many labels.
    """
    without = {"label": None, "drop": [cells.name]}
    try:
        cells.refuse_missing(cells.missing)
        if names is not None:
            return torch.from_numpy(cells.codes(names)), names
        values = cells.categories()
        numbers = cells.parsed[~cells.missing]
        measured = not np.isnan(numbers).any() and bool((numbers % 1).any())
        if len(values) > MOST_LABELS or measured:
            raise cells.wrong(
                f"at most {MOST_LABELS} labels, as words or whole numbers,",
                f"{len(values)} different values such as {cells.quoted(0)}",
            )
        named = tuple(map(key_of, values))
        return torch.from_numpy(cells.codes(named)), named
    except ColumnError as error:
        raise ColumnError(str(error)[:-1], cells.name, without) from error
