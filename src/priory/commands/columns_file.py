"""Write numbers for each example, in the format of the file extension."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from priory.arrays import to_numpy
from priory.extras import needs
from priory.files import write_whole

SUFFIXES = (".csv", ".parquet", ".npy")


def write_columns(
    path: Path,
    numbers: Tensor,
    names: list[str],
    known_by: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Write one row per example.

    Args:
        path: The file; `.npy` contains only the array.
        numbers: The numbers, `(N, C)`, or `(N,)` for a single column.
        names: The names of the C columns.
        known_by: Columns before the others, by name, that identify the N examples.
    """
    array = to_numpy(numbers)
    content = io.BytesIO()
    if known_by and path.suffix != ".npy":
        with needs("data"):
            import pandas as pd
        columns = dict(zip(names, array.reshape(len(array), -1).T, strict=True))
        write_table(path, pd.DataFrame({**known_by, **columns}))
        return
    if path.suffix == ".npy":
        np.save(content, array)
    elif path.suffix == ".csv":
        rows = array.reshape(len(array), -1)
        np.savetxt(content, rows, "%.9g", ",", header=",".join(names), comments="")
    else:
        with needs("data"):
            import pandas as pd
        pd.DataFrame(array.reshape(len(array), -1), columns=names).to_parquet(content)
    write_whole(path, content.getvalue())


def write_table(path: Path, table: Any) -> None:
    """Write a `pandas.DataFrame`; `.npy` contains an array of rows with named fields."""
    content = io.BytesIO()
    if path.suffix == ".npy":
        cells = {str(name): np.asarray(table[name].tolist()) for name in table}  # no objects
        rows = np.empty(len(table), [(name, column.dtype) for name, column in cells.items()])
        for name, column in cells.items():
            rows[name] = column
        np.save(content, rows, allow_pickle=False)
    elif path.suffix == ".csv":
        table.to_csv(content, index=False)
    else:
        table.to_parquet(content, index=False)
    write_whole(path, content.getvalue())
