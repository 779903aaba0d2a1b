"""Several arrays in one `.npz` file."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from priory.data.checks import as_tensor, existing_file
from priory.data.source import Source
from priory.data.sources.named import source_from_arrays


def open_npz(path: str | Path) -> Source:
    """Open a `.npz` file: one array, or several with the names of `source_from_arrays`.

    Args:
        path: The file; pickled objects in it are refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or its arrays are not as expected.

    """
    path = existing_file(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"expected numeric arrays in {path}, got a file that is truncated or not in NumPy's "
            "format; write it with numpy.savez."
        ) from error
    tensors = {name: as_tensor(array, f"{path.name}/{name}") for name, array in arrays.items()}
    return source_from_arrays(tensors, path)
