"""Latents in files: a `.npy` file or a Parquet file, or a folder of such shards."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from priory.arrays import as_tensor
from priory.data.checks import existing_file, readable
from priory.data.sources.arrays import map_array
from priory.extras import needs

SUFFIXES = (".npy", ".parquet")
ROWS_AT_ONCE = 2**16


def open_shards(path: str | Path) -> list[NDArray[Any]]:
    """Open latents on disk as a sequence of arrays of rows; nothing is read into memory.

    A `.npy` file is memory-mapped. Parquet can only be read in order: its rows are copied once to a
    temporary file as large as the latents, which is deleted together with them.

    Args:
        path: A `.npy` or a `.parquet` file, or a folder of files of one of these kinds, sorted by
            name. The columns of Parquet are the dimensions, or a single column contains lists of
            them.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If pyarrow is not installed, and the file is Parquet.
        ValueError: If a file cannot be read, or the files have both kinds or different shapes.
    """
    path = Path(path).expanduser()
    files = _files_of(path)
    if files[0].suffix.lower() == ".parquet":
        return [_copied(files)]
    return [map_array(file) for file in files]


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        kinds = {file.suffix.lower() for file in files}
        if len(kinds) != 1:
            got = " and ".join(sorted(kinds)) or "neither"
            raise ValueError(
                f"expected shards in {path} that are either .npy or .parquet files, got {got}."
            )
        return files
    file = existing_file(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(
            "expected latents in a .npy or .parquet file, or in a folder of such files, got "
            f"{path}; write them with numpy.save."
        )
    return [file]


def _copied(files: Sequence[Path]) -> NDArray[Any]:
    """Copy the rows of Parquet files to a temporary file, and memory-map it."""
    shape: tuple[int, ...] = (0,)
    dtype: Any = np.float32
    with tempfile.TemporaryFile() as copy:
        for file in files:
            for rows in _blocks_of(file):
                if shape == (0,):
                    shape, dtype = (0, *rows.shape[1:]), rows.dtype
                if rows.shape[1:] != shape[1:]:
                    raise ValueError(
                        f"expected {shape[1]} latent dimensions in {file.name}, as in "
                        f"{files[0].name}, got {rows.shape[1]}."
                    )
                copy.write(np.ascontiguousarray(rows, dtype).data)
                shape = (shape[0] + len(rows), *shape[1:])
        if not shape[0]:
            raise ValueError(f"expected latents in {files[0]}, got none.")
        copy.flush()
        return np.memmap(
            copy, dtype, mode="c", shape=shape
        )  # the mapping survives closing the file


def _blocks_of(file: Path) -> Iterator[NDArray[Any]]:
    with needs("data"):
        from pyarrow import ArrowInvalid, Table
        from pyarrow.parquet import ParquetFile
    with (
        readable(f"a table in {file}", "Parquet's", "", ArrowInvalid, OSError),
        ParquetFile(existing_file(file)) as opened,
    ):
        for batch in opened.iter_batches(ROWS_AT_ONCE):
            try:
                yield _dimensions(Table.from_batches([batch]))
            except (TypeError, ValueError) as error:
                raise type(error)(f"{str(error)[:-1]} (in {file.name}).") from error


def _dimensions(table: Any) -> NDArray[Any]:
    """Return the columns of a table, or its only column of lists, as `(n, L)`."""
    column = table.columns[0].combine_chunks()
    if table.num_columns > 1 or "list" not in str(column.type) or column.null_count:
        return as_tensor(table).numpy()
    from pyarrow.compute import list_value_length

    lengths = list_value_length(column).to_numpy()
    if (lengths != lengths[0]).any() or not lengths[0]:
        raise ValueError("expected lists of the same length in each row, got different lengths.")
    return as_tensor(column.flatten()).view(len(column), -1).numpy()
