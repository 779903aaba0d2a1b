"""An array in a `.npy` file."""

from pathlib import Path

import numpy as np
import torch

from priory.data.source import Source


def open_array(path: str | Path) -> Source:
    """Open a `.npy` file of shape `(N, *data_shape)`; it stays on disk.

    Args:
        path: The file; pickled objects in it are refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no numeric array with at least one dimension beside the data's.

    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected an array at {path}, found no such file.")
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"expected a numeric array in {path}, got a file that is truncated or not in NumPy's "
            "format; write it with numpy.save."
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif" or array.ndim < 2:
        raise ValueError(
            f"expected a numeric array of shape (N, ...) in {path}, "
            f"got {getattr(array, 'dtype', type(array).__name__)} of shape "
            f"{getattr(array, 'shape', None)}."
        )
    return Source(path.stem, torch.as_tensor(array))
