"""A table whose missing cells a model is to fill in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from priory.data.tables.cells import Table, classes_of
from priory.data.tables.columns import Columns
from priory.data.tables.table import SUFFIXES, read_like
from priory.extras import needs
from priory.suggestions import did_you_mean

DRAW = "draw"
"""The column with the number of a row's draw, if there are several."""


@dataclass(frozen=True, eq=False)
class TableWithGaps:
    """A table with missing cells.

    Attributes:
        table: The table as it was read.
        columns: What its columns mean.
        x: Its rows, with something that stands for missing cells, `(N, D)`.
        missing: Which dimensions belong to a missing cell, `(N, D)`.
        labels: The label of each row, `(N,)`; None where nobody asks for them.
    """

    table: Table
    columns: Columns
    x: Float[Tensor, "N D"]
    missing: Bool[Tensor, "N D"]
    labels: Int[Tensor, " N"] | None

    @property
    def num_missing(self) -> int:
        """The number of missing cells."""
        starts = [start for _, start, _ in self.columns.spans]
        return int(self.missing[:, starts].sum())

    def filled(self, draws: Float[Tensor, "S N D"]) -> Any:
        """Return the table with its gaps filled in, as a `pandas.DataFrame`.

        Cells that have a value keep it, and so do columns that are no data. Of several draws there
        are as many tables one below the other, with a column `draw` that counts them from 0.

        Args:
            draws: Rows, of which the dimensions of missing cells are taken.

        Raises:
            ValueError: If there are several draws and the table has a column `draw` of its own.
        """
        with needs("data"):
            import pandas as pd
        if len(draws) > 1 and DRAW in self.table.names:
            raise ValueError(
                f"expected no column {DRAW!r} in {self.table.where}, as that numbers the draws, "
                "got one; rename it, or ask for one draw."
            )
        frames = []
        for number, x in enumerate(draws):
            decoded, frame = self.columns.decode(x), self.table.frame.copy()
            frame.columns = self.table.names
            for column in self.columns.columns:
                new = decoded[column.name].to_numpy()
                if column.kind != "categorical":
                    cells = self.table.cells(column.name)
                    new = np.where(cells.missing, new, cells.parsed)
                    if column.whole and (new == np.round(new)).all():
                        new = new.astype(np.int64)
                frame[column.name] = new
            if len(draws) > 1:
                frame.insert(0, DRAW, number)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)


def open_gaps(
    path: str | Path,
    columns: Columns,
    label_names: tuple[str, ...] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    labelled: bool = False,
) -> TableWithGaps:
    """Open a further table as the one that was trained on, with cells that are missing.

    Args:
        path: The file.
        columns: What the columns mean.
        label_names: The names of the labels.
        options: How it is written, and columns to `drop`.
        labelled: Whether the model needs its labels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table, or columns or cells are not as expected.
    """
    endings = (*SUFFIXES, ".npy")
    if not str(path).lower().endswith(endings):
        raise ValueError(
            f"expected a table, whose name ends in one of {', '.join(endings)}, got {str(path)!r}"
            + did_you_mean(Path(path).suffix.lower(), endings)
        )

    def read(table: Table, named: Table) -> TableWithGaps:
        # Whatever stands for a missing cell, it is drawn before it is looked at.
        fills = tuple(
            replace(column, fill=column.categories[0] if column.categories else column.mean)
            for column in columns.columns
        )
        x = replace(columns, columns=fills).encode_table(named)
        missing = columns.without_value(x)
        for column, (_, start, stop) in zip(columns.columns, columns.spans, strict=True):
            gaps = torch.from_numpy(named.cells(column.name).missing.copy())
            missing[:, start:stop] |= gaps[:, None]
        labels = None
        if labelled and columns.label is not None:
            labels, _ = classes_of(named.cells(columns.label), label_names)
        return TableWithGaps(table, columns, x, missing, labels)

    return read_like(read, path, columns, options)
