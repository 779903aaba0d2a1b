"""What the columns of a table mean: from cells to numbers for a model, and back."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from priory.arguments import one_of
from priory.data.tables.cells import Cells, ColumnError, Table, Value, key_of
from priory.data.tables.csv_file import PLAIN, Dialect
from priory.extras import needs
from priory.suggestions import exact, short

MOST_COUNT = 2**31
MOST_SAID = 20
"""The maximum number of columns that one error names."""
OWN = "missing"
"""The category of missing values, if they have one of their own."""
Kind = Literal["numeric", "categorical", "count"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Scikit-learn's scalers, encoders and imputers can only be restored from JSON by setting their
    fitted attributes, do not keep the types of categories, and do not name rows in errors.

    Attributes:
        name: Its name.
        kind: `"numeric"` is standardised, (value − mean) / scale; `"categorical"` is a one-hot
            vector; `"count"` is unchanged.
        mean: The mean over the training rows.
        scale: The standard deviation over the training rows.
        categories: The categories, in the order of their dimensions.
        fill: The value that replaces a missing one; None refuses missing values.
        low: The smallest number in the file, the lower limit of decoded numbers; None for no limit.
        high: The largest number in the file, the upper limit; None for no limit.
        whole: Whether all numbers in the file are whole.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[Value, ...] = ()
    fill: Value | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        one_of(get_args(Kind), kind=self.kind)
        if self.kind == "categorical" and len(self.categories) < 2:
            raise ValueError(
                f"expected at least two categories in column {self.name!r}, "
                f"got {len(self.categories)}."
            )
        if len({key_of(category) for category in self.categories}) < len(self.categories):
            raise ValueError(
                f"expected categories of column {self.name!r} that differ as text, got "
                f"{short(self.categories)}."
            )
        if not (math.isfinite(self.mean) and 0 < self.scale < math.inf):
            raise ValueError(
                f"expected a finite mean and a scale above zero in column {self.name!r}, "
                f"got {self.mean} and {self.scale}."
            )

    @property
    def width(self) -> int:
        """The number of dimensions of the column."""
        return len(self.categories) if self.kind == "categorical" else 1

    def encode(self, column: Any, where: str) -> NDArray[np.float64]:
        """Return the dimensions of a `pandas.Series` of cells, `(N, width)`."""
        return self.encode_cells(Cells(column, self.name, where))

    def encode_cells(self, cells: Cells) -> NDArray[np.float64]:
        """Return the dimensions of cells, `(N, width)`."""
        if self.kind == "categorical":
            codes = cells.codes(self.categories)
            if self.fill is None:
                cells.refuse_missing(codes < 0)
            else:
                codes[codes < 0] = self.categories.index(self.fill)
            return np.asarray(codes[:, None] == np.arange(self.width), np.float64)
        values = cells.numbers()
        if self.fill is None:
            cells.refuse_missing(cells.missing)
        else:
            values = np.where(cells.missing, self.fill, values)
        if self.kind == "count":
            check_counts(values, self.name, cells.where)
        return ((values - self.mean) / self.scale)[:, None]

    def decode(self, x: NDArray[np.float64]) -> Any:
        """Return the cells that dimensions `(N, width)` represent.

        The category with the largest value wins; categories of several types become text. A number
        is moved into the range in the file, and rounded if all numbers in the file are whole.
        """
        if self.kind == "categorical":
            return [self._shown[k] for k in x.argmax(1)]
        values = x[:, 0] * self.scale + self.mean
        values = np.round(values) if self.whole else values
        low = -np.inf if self.low is None else self.low
        values = np.clip(values, low, np.inf if self.high is None else self.high)
        return values.astype(np.int64) if self.whole else values

    def outside(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows of `(N, width)` are numbers beyond the training range, `(N,)`."""
        if self.low is None or self.high is None:
            return np.zeros(len(x), bool)
        values = x[:, 0] * self.scale + self.mean
        values = np.round(values) if self.whole else values
        return np.asarray((values < self.low) | (values > self.high))

    def without_value(self, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows of `(N, width)` have the category of cells without a value, `(N,)`."""
        if self.kind != "categorical" or self.fill != OWN:
            return np.zeros(len(x), bool)
        return np.asarray(x.argmax(1) == self.categories.index(OWN))

    @property
    def _shown(self) -> tuple[Value, ...]:
        """The categories as written to files: all of one type, which every format can store."""
        types = {type(category) for category in self.categories}
        return tuple(map(str, self.categories)) if len(types) > 1 else self.categories


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in the order of their dimensions.

    Numeric columns are standardised with the mean and the standard deviation of the training rows,
    and categorical columns are one-hot, so that a row of the table is a vector of D numbers, where
    D is the number of numeric columns plus the total number of categories.

    Attributes:
        columns: The columns that are data.
        label: The column used as labels.
        ignored: Columns of the table that are neither data nor labels.
        batch: The column with the batch in which each row was measured.
        exposure: The column of exposures.
        layer: The layer of an `.h5ad` file with the counts, if it is not `X`.
        dialect: How the cells of its file are formatted.

    Examples:
        >>> import pandas as pd
        >>> from priory.data import Column, Columns
        >>> columns = Columns(
        ...     (
        ...         Column("height", "numeric", mean=170.0, scale=10.0),
        ...         Column("eyes", "categorical", categories=("blue", "brown")),
        ...     )
        ... )
        >>> table = pd.DataFrame({"height": [180.0, 165.0], "eyes": ["brown", "blue"]})
        >>> columns.encode(table)
        tensor([[ 1.0000,  0.0000,  1.0000],
                [-0.5000,  1.0000,  0.0000]])
        >>> columns.decode(columns.encode(table)).equals(table)
        True
        >>> columns.spans
        [('numeric', 0, 1), ('categorical', 1, 3)]
    """

    columns: tuple[Column, ...]
    label: str | None = None
    ignored: tuple[str, ...] = ()
    batch: str | None = None
    exposure: str | None = None
    layer: str | None = None
    dialect: Dialect = PLAIN

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.names)) < len(self.columns):
            raise ValueError(
                f"expected one or more columns with unique names, got {len(self.columns)} with "
                f"{len(set(self.names))} names."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that are data."""
        return tuple(column.name for column in self.columns)

    @property
    def spans(self) -> list[tuple[Kind, int, int]]:
        """The kind of each column and its dimensions, from start up to stop."""
        stops = np.cumsum([column.width for column in self.columns]).tolist()
        return [
            (column.kind, stop - column.width, stop)
            for column, stop in zip(self.columns, stops, strict=True)
        ]

    @property
    def log_scale(self) -> float:
        """The nats by which log p of a standardised row exceeds that in the original units."""
        return sum(math.log(column.scale) for column in self.columns)

    def encode(self, table: Any, where: str = "the table") -> Float[Tensor, "N D"]:
        """Turn a table into numbers.

        Args:
            table: A `pandas.DataFrame` with these columns, in any order.
            where: What to call it in an error message.

        Returns:
            The rows, `(N, D)`.

        Raises:
            ValueError: If a column is missing or unknown, or a cell does not suit its column; the
                message names the row and the column.
        """
        return self.encode_table(Table(table, where))

    def encode_table(self, table: Table) -> Float[Tensor, "N D"]:
        """Turn a table into numbers, like `encode`, using how it is formatted."""
        expected = {*self.names, *self.ignored, self.label}
        if absent := [name for name in self.names if name not in table.names]:
            raise ValueError(
                f"expected the column {absent[0]!r} in {table.where}, got {len(table.names)} "
                "columns without it; use the columns of the training table."
            )
        if extra := [name for name in table.names if name not in expected]:
            raise ValueError(
                f"expected only the columns of the training table in {table.where}, got "
                f"{extra[0]!r} too; drop it."
            )
        x = torch.empty(len(table), self.spans[-1][2])
        wrong: list[str] = []
        for column, (_, start, stop) in zip(self.columns, self.spans, strict=True):
            try:
                x[:, start:stop] = torch.from_numpy(column.encode_cells(table.cells(column.name)))
            except ColumnError as error:
                wrong.append(str(error).removesuffix("."))
        if wrong:
            more = f"; there are problems with {len(wrong) - MOST_SAID} other columns too"
            raise ValueError(
                "; ".join(wrong[:MOST_SAID]) + (more if len(wrong) > MOST_SAID else "") + "."
            )
        return x

    def decode(self, x: Float[Tensor, "N D"]) -> Any:
        """Turn numbers back into a table, in its original units.

        Args:
            x: Rows, `(N, D)`; for a categorical column, the largest dimension wins.

        Returns:
            A `pandas.DataFrame`.

        Raises:
            ValueError: If D is not the number of dimensions of these columns.
        """
        with needs("data"):
            import pandas as pd
        if x.shape[1] != self.spans[-1][2]:
            raise ValueError(f"expected {self.spans[-1][2]} dimensions, got {x.shape[1]}.")
        array = x.detach().cpu().double().numpy()
        return pd.DataFrame(
            {
                column.name: column.decode(array[:, start:stop])
                for column, (_, start, stop) in zip(self.columns, self.spans, strict=True)
            }
        )

    def outside(self, x: Float[Tensor, "N D"]) -> Bool[Tensor, "N D"]:
        """Return which dimensions of rows represent numbers beyond the training range."""
        return self._of_cells(x, Column.outside)

    def without_value(self, x: Float[Tensor, "N D"]) -> Bool[Tensor, "N D"]:
        """Return which dimensions of rows stand for the category of cells without a value."""
        return self._of_cells(x, Column.without_value)

    def _of_cells(
        self, x: Tensor, test: Callable[[Column, NDArray[np.float64]], NDArray[np.bool_]]
    ) -> Tensor:
        array = x.detach().cpu().double().numpy()
        answers = np.zeros(array.shape, bool)
        for column, (_, start, stop) in zip(self.columns, self.spans, strict=True):
            answers[:, start:stop] = test(column, array[:, start:stop])[:, None]
        return torch.from_numpy(answers).to(x.device)

    def to_json(self) -> dict[str, Any]:
        """Return a value that `json.dump` can write and `from_json` can read."""
        return asdict(self)

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> "Columns":
        """Rebuild the columns from the result of `to_json` after it has been read back from JSON.

        Raises:
            ValueError: If it does not describe columns.
        """
        try:
            columns = tuple(
                Column(**{**column, "categories": tuple(column["categories"])})
                for column in description["columns"]
            )
            label, ignored = description["label"], tuple(description["ignored"])
            kept = {name: description.get(name) for name in ("batch", "exposure", "layer")}
            dialect = dict(description.get("dialect", {}))  # 0.1.0 has none
            if "missing_words" in dialect:
                dialect["missing_words"] = tuple(dialect["missing_words"])
            return cls(columns, label, ignored, **kept, dialect=Dialect(**dialect))
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"expected a description of columns as written by to_json, got an invalid {error}."
            ) from error


def check_counts(
    values: NDArray[Any], name: str | Sequence[str], where: str, first_row: int = 0
) -> None:
    """Refuse values that are not counts, in one column, `(N,)`, or several, `(N, D)`.

    The first of the values is in row `first_row` of the table.
    """
    bad = ~((values >= 0) & (values < MOST_COUNT) & (values == np.round(values)))
    if bad.any():
        row, *column = (int(i) for i in np.argwhere(bad)[0])
        named = name if isinstance(name, str) else name[column[0]]
        raise ValueError(
            f"expected counts, which are whole numbers from 0 and below 2**31, in column {named!r} "
            f"of {where}, got {exact(values[(row, *column)])} in row {first_row + row}."
        )
