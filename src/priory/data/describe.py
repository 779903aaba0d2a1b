"""What do data look like, in words?"""

from collections import Counter
from collections.abc import Sequence

from priory.data.binarise import observed_range
from priory.data.source import Source
from priory.data.sources.own_split import TEST, TRAIN, VALIDATION

MOST_NAMES = 10


def describe(source: Source) -> str:
    """Say what data look like: how many, of what shape and values, their labels, parts and columns.

    Args:
        source: The data; what lies on disk is read chunk by chunk.

    Examples:
        >>> from priory.data import describe, open_digits
        >>> print(describe(open_digits()))  # doctest: +NORMALIZE_WHITESPACE
        digits: 1797 images of 8×8 (float32, 0 to 16), 10 labels (0, 1, 2, 3, 4, 5, 6, 7, 8, 9;
        174 to 183 data each); 1000 to train, 350 to validate, 447 to test.

    """
    x = source.x
    low, high = observed_range(x)
    dtype = str(x.dtype).removeprefix("torch.")
    said = f"{source.name}: {len(x)} {_shape(source)} ({dtype}, {low:.4g} to {high:.4g})"
    if source.labels is not None:
        said += f", {_labels(source)}"
    if source.part is not None:
        counts = Counter(source.part.tolist())
        said += (
            f"; {counts[TRAIN]} to train, {counts[VALIDATION]} to validate, {counts[TEST]} to test"
        )
    return said + "."


def _shape(source: Source) -> str:
    shape = source.x.shape[1:]
    if source.columns is None:
        return f"{'images' if len(shape) in (2, 3) else 'data'} of {_times(shape)}"
    kinds = Counter(column.kind for column in source.columns.columns)
    if set(kinds) == {"count"}:
        return f"rows of {kinds['count']} counts"
    said = " and ".join(f"{n} {kind}" for kind, n in kinds.items())
    many = "s" if len(source.columns.columns) > 1 else ""
    return f"rows of {said} column{many} in {shape[0]} dimensions"


def _times(shape: Sequence[int]) -> str:
    return "\N{MULTIPLICATION SIGN}".join(map(str, shape))


def _labels(source: Source) -> str:
    assert source.labels is not None
    counts = source.labels.bincount()
    counts = counts[counts > 0]
    names = source.label_names or ()
    said = f"{len(counts)} labels ("
    if names:
        said += ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "") + "; "
    return said + f"{int(counts.min())} to {int(counts.max())} data each)"
