"""What a run stores about its data, so that other data are read in the same way."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from priory.data.open import open_like
from priory.data.splits import Part, Source, Splits
from priory.data.tables.columns import Columns
from priory.data.tables.gaps import TableWithGaps, open_gaps
from priory.files import write_whole

FILE = "data.json"


@dataclass(frozen=True)
class DataFormat:
    """The format of a run's data, and what their columns and labels mean.

    Attributes:
        name: Their name.
        data_shape: The shape of one example.
        dtype: Their dtype.
        grey: The largest grey value, if they are binarised.
        label_names: The names of their labels.
        columns: What the columns of a table mean.
        batch_names: The names of their batches.
    """

    name: str
    data_shape: tuple[int, ...]
    dtype: str
    grey: float | None = None
    label_names: tuple[str, ...] | None = None
    columns: Columns | None = None
    batch_names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, splits: Splits) -> "DataFormat":
        """Return the format of data before binarisation."""
        dtype = str(splits.train.values.dtype).removeprefix("torch.")
        names, columns = splits.label_names, splits.columns
        facts = (splits.name, splits.data_shape, dtype, splits.grey, names, columns)
        return cls(*facts, splits.batch_names)

    def write(self, directory: Path) -> None:
        """Write the format to the directory of a run."""
        columns = None if self.columns is None else self.columns.to_json()
        description = {**self.__dict__, "columns": columns}
        write_whole(directory / FILE, (json.dumps(description, indent=2) + "\n").encode())

    @classmethod
    def read(cls, directory: Path) -> "DataFormat":
        """Read the format of a run.

        Raises:
            FileNotFoundError: If the directory has none.
            ValueError: If its file is invalid.
        """
        file = directory / FILE
        if not file.is_file():
            raise FileNotFoundError(f"expected the format of a run's data at {file}, found none.")
        try:
            record: dict[str, Any] = json.loads(file.read_text())
            columns = record["columns"]
            names, batches = record["label_names"], record.get("batch_names")
            return cls(
                **{
                    **record,
                    "data_shape": tuple(record["data_shape"]),
                    "label_names": None if names is None else tuple(names),
                    "batch_names": None if batches is None else tuple(batches),
                    "columns": None if columns is None else Columns.from_json(columns),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected the format of a run's data in {file}, got a damaged file."
            ) from error

    def open_gaps(
        self,
        path: str | Path,
        *,
        options: Mapping[str, Any] | None = None,
        labelled: bool = False,
    ) -> TableWithGaps:
        """Open another table, some of whose cells are missing.

        Args:
            path: The file.
            options: Further options of the table.
            labelled: Whether the model needs its labels.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the run was not trained on a table, or the file does not fit.
        """
        if self.columns is None or any(column.kind == "count" for column in self.columns.columns):
            raise ValueError(
                f"expected a run trained on a table, got one trained on {self.name}; missing cells "
                "are those of a table."
            )
        return open_gaps(path, self.columns, self.label_names, options, labelled=labelled)

    def open(
        self,
        path: str | Path,
        *,
        labels: str | Path | None = None,
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Part:
        """Open other data in the same way, including binarisation.

        Args:
            path: A file or a folder.
            labels: A file of labels.
            options: Other options for this kind of source.
            seed: The seed of the binarisation.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be read, or its data have a different format.
        """
        empty = torch.empty(0, *self.data_shape, dtype=getattr(torch, self.dtype))
        before = Source(
            self.name,
            empty,
            label_names=self.label_names,
            columns=self.columns,
            batch_names=self.batch_names,
        )
        source = open_like(before, path, labels=labels, options=options)
        part = source.whole()
        return part if self.grey is None else part.binarised(self.grey, seed)
