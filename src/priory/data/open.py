"""Data by name or by path."""

import difflib

from priory.data.array import open_array
from priory.data.digits import open_digits
from priory.data.source import Source
from priory.data.splits import Splits, split

BUILT_IN = {"digits": open_digits}


def open_data(source: str, seed: int = 0, validation: float = 0.1, test: float = 0.1) -> Splits:
    """Open data by a built-in name or the path of a file, and split them.

    Args:
        source: What to open, as for `open_source`.
        seed: The seed of a random split, where the data bring no split of their own.
        validation: The fraction to validate on.
        test: The fraction to test on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is neither, or its file cannot be read.

    Examples:
        >>> from priory.data import open_data
        >>> open_data("digits").name
        'digits'

    """
    return split(open_source(source), validation, test, seed)


def open_source(source: str) -> Source:
    """Open data by a built-in name, or by the path of a file.

    Args:
        source: `"digits"`, or the path of a `.npy` file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is neither, or its file cannot be read.

    """
    if source in BUILT_IN:
        return BUILT_IN[source]()
    if source.endswith(".npy"):
        return open_array(source)
    near = difflib.get_close_matches(source, BUILT_IN, n=1)
    raise ValueError(
        f"expected data by name ({', '.join(BUILT_IN)}) or the path of a .npy file, "
        f"got {source!r}" + (f"; did you mean {near[0]}?" if near else ".")
    )
