"""Data by name or by path."""

import difflib

from priory.data.array import open_array
from priory.data.digits import open_digits
from priory.data.splits import Splits

BUILT_IN = {"digits": open_digits}


def open_data(source: str, seed: int = 0) -> Splits:
    """Open data by a built-in name, or by the path of a file.

    Args:
        source: `"digits"`, or the path of a `.npy` file.
        seed: The seed of a random split, where the data bring no split of their own.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is neither, or its file cannot be read.

    Examples:
        >>> from priory.data import open_data
        >>> open_data("digits").name
        'digits'

    """
    if source in BUILT_IN:
        return BUILT_IN[source]()
    if source.endswith(".npy"):
        return open_array(source, seed)
    near = difflib.get_close_matches(source, BUILT_IN, n=1)
    raise ValueError(
        f"expected data by name ({', '.join(BUILT_IN)}) or the path of a .npy file, "
        f"got {source!r}" + (f"; did you mean {near[0]}?" if near else ".")
    )
