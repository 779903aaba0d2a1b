"""Labels in a file of their own."""

from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from priory.data.checks import check_labels
from priory.data.sources.array import read_array
from priory.data.sources.idx import read_idx


def read_labels(path: str | Path, num_data: int) -> Int64[Tensor, " N"]:
    """Read labels, one for each datum, from a `.npy` file or a file of the kind of MNIST's.

    Args:
        path: The file.
        num_data: The number of data they belong to.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no labels, or not as many as there are data.

    """
    path = Path(path)
    labels = read_array(path) if path.suffix.lower() == ".npy" else read_idx(path)
    return check_labels(labels, num_data, path.name)
