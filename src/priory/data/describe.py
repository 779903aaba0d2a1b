"""Describe data in words."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from priory.data.binarise import observed_range
from priory.data.sources.own_split import TEST, TRAIN, VALIDATION
from priory.data.splits import Source, Splits
from priory.data.tables.columns import Columns

MOST_NAMES = 10


def describe(data: Source | Splits) -> str:
    """Describe data: their number, shape, values, labels, parts and columns.

    Args:
        data: The data; those on disk are read in chunks.

    Examples:
        >>> from priory.data import describe, open_digits
        >>> print(describe(open_digits()))  # doctest: +NORMALIZE_WHITESPACE
        digits: 1797 images of 8×8 (float32, 0 to 16), 10 labels (0, 1, 2, 3, 4, 5, 6, 7, 8, 9;
        174 to 183 examples each); 1000 to train, 350 to validate, 447 to test.
    """
    if isinstance(data, Splits):
        x, sizes = data.train.values, [len(part) for part in data.parts]
        labels, batches = (
            torch.cat(values)
            if (values := [t for p in data.parts if (t := p.annotations[n]) is not None])
            else None
            for n in ("labels", "batch_label")
        )
        count = sum(sizes)
    else:
        x, labels, batches, count = data.x, data.labels, data.batch_label, len(data.x)
        counts = Counter([] if data.part is None else data.part.tolist())
        sizes = [counts[TRAIN], counts[VALIDATION], counts[TEST]]
    low, high = observed_range(x)
    dtype = str(x.dtype).removeprefix("torch.")
    said = f"{data.name}: {count} {_shape(x, data.columns)} ({dtype}, {low:.4g} to {high:.4g})"
    if isinstance(data, Splits) and data.grey is not None:
        said += f", grey values up to {data.grey:g} drawn as zeros and ones"
    if labels is not None:
        said += f", {_labels(labels, data.label_names)}"
    if batches is not None:
        said += f", {_labels(batches, data.batch_names, 'batches')}"
    if sum(sizes):
        said += f"; {sizes[0]} to train, {sizes[1]} to validate, {sizes[2]} to test"
    return said + "."


def _shape(x: Tensor, columns: Columns | None) -> str:
    shape = x.shape[1:]
    if columns is None:
        size = "\N{MULTIPLICATION SIGN}".join(map(str, shape))
        return f"{'images' if len(shape) in (2, 3) else 'data'} of {size}"
    kinds = Counter(column.kind for column in columns.columns)
    if set(kinds) == {"count"}:
        return f"rows of {kinds['count']} counts"
    said = " and ".join(f"{n} {kind}" for kind, n in kinds.items())
    many = "s" if len(columns.columns) > 1 else ""
    return f"rows of {said} column{many} in {shape[0]} dimensions"


def _labels(labels: Tensor, names: Sequence[str] | None, what: str = "labels") -> str:
    counts = labels.bincount()
    counts = counts[counts > 0]
    said = f"{len(counts)} {what} ("
    if names:
        said += ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "") + "; "
    return said + f"{int(counts.min())} to {int(counts.max())} examples each)"
