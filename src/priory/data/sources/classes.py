"""Labels by name: columns of classes, and files of them."""

from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from priory.data.tables.cells import categories_of, codes_of, refuse_missing

MOST_CLASSES = 1000


def classes_of(
    column: Any, name: str, where: str, names: tuple[str, ...] | None = None
) -> tuple[Int64[Tensor, " N"], tuple[str, ...]]:
    """Give each class in a column a number.

    Args:
        column: A `pandas.Series` of text, booleans or whole numbers.
        name: The name of the column.
        where: What to call the table in an error.
        names: The names of the classes, where they are known; by default those found, in order.

    Returns:
        The class of each row, `(N,)`, and the names of the classes.

    Raises:
        ValueError: If a class is missing or unknown, or there are too many; the row is named.

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
