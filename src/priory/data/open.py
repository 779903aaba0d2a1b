"""Data by name or by path, split."""

from collections.abc import Mapping
from typing import Any

from priory.data.kinds import open_source
from priory.data.splits import Splits, split


def open_data(
    source: str,
    seed: int = 0,
    validation: float = 0.1,
    test: float = 0.1,
    options: Mapping[str, Any] | None = None,
) -> Splits:
    """Open data by a built-in name or the path of a file, and split them.

    Args:
        source: What to open, as for `open_source`.
        seed: The seed of a random split, where the data bring no split of their own.
        validation: The fraction to validate on.
        test: The fraction to test on.
        options: Further options of the kind of source.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is neither, or its file cannot be read.

    Examples:
        >>> from priory.data import open_data
        >>> open_data("digits").name
        'digits'

    """
    opened = open_source(source, validation=validation, test=test, seed=seed, options=options)
    return split(opened, validation, test, seed)
