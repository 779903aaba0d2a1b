"""An array in a `.npy` file."""

from pathlib import Path

import numpy as np
from torch import Tensor

from priory.data.checks import as_tensor, check_data, existing_file
from priory.data.source import Source


def open_array(path: str | Path) -> Source:
    """Open a `.npy` file of shape `(N, *data_shape)`, which stays on disk.

    Args:
        path: The file; pickled objects in it are refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no numeric array with at least one dimension beside the data's, or
            holds NaN or an infinite value; its datum is named.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from priory.data import open_array
        >>> with tempfile.TemporaryDirectory() as path:
        ...     np.save(f"{path}/mine.npy", np.zeros((20, 4), np.uint8))
        ...     open_array(f"{path}/mine.npy").x.shape
        torch.Size([20, 4])

    """
    path = Path(path)
    return Source(path.stem, check_data(read_array(path), path.name))


def read_array(path: str | Path) -> Tensor:
    """Map a `.npy` file into memory.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no numeric array.

    """
    path = existing_file(path)
    try:
        # "c": changes, which torch cannot forbid, never reach the file
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"expected a numeric array in {path}, got a file that is truncated or not in NumPy's "
            "format; write it with numpy.save."
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"expected a numeric array in {path}, got {type(array).__name__}.")
    return as_tensor(array, path.name)
