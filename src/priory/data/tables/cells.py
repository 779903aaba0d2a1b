"""The cells of a column as numbers, categories or labels, with the first wrong one named."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

from priory.extras import needs

Value = str | int | float | bool


def numbers(column: Any, name: str, where: str) -> NDArray[np.float64]:
    """Return the numbers of a `pandas.Series`, with NaN where a value is missing."""
    with needs("data"):
        import pandas as pd
    if getattr(column.dtype, "kind", "O") in "Mmc":
        raise ValueError(
            f"expected numbers or text in column {name!r} of {where}, got {column.dtype}; turn it "
            "into numbers, or drop the column."
        )
    try:
        array = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected numbers or text in column {name!r} of {where}, got {column.iloc[0]!r} in "
            "row 0; drop the column."
        ) from error
    text = np.isnan(array) & column.notna().to_numpy()
    if text.any():
        row = int(text.argmax())
        raise ValueError(
            f"expected a number in column {name!r} of {where}, got {column.iloc[row]!r} in row "
            f"{row}; correct it, or name the column among the categorical ones."
        )
    if np.isinf(array).any():
        row = int(np.isinf(array).argmax())
        raise ValueError(
            f"expected finite numbers in column {name!r} of {where}, got {array[row]} in row {row}."
        )
    return np.asarray(array, np.float64)


def is_categorical(column: Any) -> bool:
    """Return whether a column holds categories: text throughout, booleans, or a type that says so.

    A column of numbers with some text among them is none: it is a column of numbers with an error.
    """
    with needs("data"):
        import pandas as pd
    if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column.dtype):
        return True
    if pd.api.types.is_numeric_dtype(column.dtype) or getattr(column.dtype, "kind", "O") in "Mm":
        return False
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean":
        return True
    return kind == "string" and bool(pd.to_numeric(column.dropna(), errors="coerce").isna().all())


def categories_of(column: Any) -> tuple[Value, ...]:
    """Return the categories that a column's type declares, or its different values in order."""
    with needs("data"):
        import pandas as pd
    if isinstance(column.dtype, pd.CategoricalDtype):
        values = column.cat.categories.tolist()
    else:
        values = column.dropna().unique().tolist()
        values.sort(key=lambda value: (isinstance(value, str), value))
    return tuple(v if isinstance(v, Value) else str(v) for v in values)


def codes_of(
    column: Any, categories: tuple[Value, ...], name: str, where: str
) -> NDArray[np.int64]:
    """Return the position of each cell among the categories, and −1 where a value is missing."""
    with needs("data"):
        import pandas as pd
    cells = column.astype(object)
    missing = column.isna().to_numpy()
    codes = pd.Index(categories, dtype=object).get_indexer(cells)
    codes[missing] = -1
    unknown = (codes < 0) & ~missing
    if unknown.any():
        row = int(unknown.argmax())
        shown = ", ".join(map(repr, categories[:8])) + (", ..." if len(categories) > 8 else "")
        raise ValueError(
            f"expected one of {shown} in column {name!r} of {where}, got {cells.iloc[row]!r} in "
            f"row {row}."
        )
    return np.asarray(codes, np.int64)


def refuse_missing(missing: NDArray[np.bool_], name: str, where: str) -> None:
    """Refuse a column with missing values, and name the first of them."""
    if missing.any():
        raise ValueError(
            f"expected a value in column {name!r} of {where}, got none in row "
            f"{int(missing.argmax())}; fill such values in, or ask for it when the table to train "
            "on is opened (missing_numbers, missing_categories)."
        )


MOST_CLASSES = 1000


def classes_of(
    column: Any, name: str, where: str, names: tuple[str, ...] | None = None
) -> tuple[Int64[Tensor, " N"], tuple[str, ...]]:
    """Return the class of each row, of text, booleans or whole numbers, and the classes' names.

    These are the names that are known, or by default those that the column has, in order.
    """
    refuse_missing(column.isna().to_numpy(), name, where)
    if column.dtype.kind == "f" and (column == column.round()).all():
        column = column.astype("int64")
    values = categories_of(column)
    if column.dtype.kind == "f" or len(values) > MOST_CLASSES:
        raise ValueError(
            f"expected at most {MOST_CLASSES} classes in column {name!r} of {where}, got "
            f"{len(values)} different values such as {column.iloc[0]!r}; leave the column among "
            "the data or drop it."
        )
    if names is None:
        return torch.from_numpy(codes_of(column, values, name, where)), tuple(map(str, values))
    return torch.from_numpy(codes_of(column.map(str), names, name, where)), names
