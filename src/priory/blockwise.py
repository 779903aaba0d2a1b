"""Work in blocks, so that intermediate results fit into memory."""

from collections.abc import Iterator

NUMBERS = 2**22
"""The maximum number of elements of a block, 16 MiB of float32."""

ROWS = 4096
"""The maximum number of rows of a block whose intermediate cost, in a network, is unknown."""


def blocks(count: int, numbers_each: int = 1, most: int | None = None) -> Iterator[slice]:
    """Iterate over rows in blocks of at most `most` rows and 2²² numbers, and at least one row.

    Examples:
        >>> from priory.blockwise import blocks
        >>> list(blocks(5, most=2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
        >>> [rows.stop for rows in blocks(5, numbers_each=2**21)], len(list(blocks(4097)))
        ([2, 4, 5], 2)
    """
    size = max(1, min(ROWS if most is None else most, NUMBERS // max(1, numbers_each)))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
