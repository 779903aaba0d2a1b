"""Several arrays in one file, each known by its name: `.npz` and `.pt`."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from priory.data.checks import check_data, check_labels
from priory.data.source import Source

DATA, LABELS = ("x", "data"), ("labels", "y")
PARTS = {
    "train": ("train", "x_train"),
    "validation": ("validation", "x_validation"),
    "test": ("test", "x_test"),
}
PART_LABELS = {
    "train": ("train_labels", "y_train"),
    "validation": ("validation_labels", "y_validation"),
    "test": ("test_labels", "y_test"),
}


def source_from_arrays(arrays: Mapping[str, Tensor], path: Path) -> Source:
    """Return the data in a file of named arrays.

    One array alone is the data. So is the one called `x` or `data`, with `labels` or `y` beside it,
    and perhaps `train`, `validation` and `test` with the positions of the data in each part. Or the
    data lie in `train`, `validation` and `test` themselves (also `x_train`, ...), with
    `train_labels` (also `y_train`), ...

    Args:
        arrays: The arrays by name.
        path: The file they come from.

    Raises:
        ValueError: If the names leave open what the data are, or the arrays do not match.

    """
    if len(arrays) == 1:
        return Source(path.stem, check_data(next(iter(arrays.values())), path.name))
    left = dict(arrays)
    x = _take(left, DATA, path)
    labels = _take(left, LABELS, path)
    parts = {name: _take(left, keys, path) for name, keys in PARTS.items()}
    part_labels = {name: _take(left, keys, path) for name, keys in PART_LABELS.items()}
    whole = x is not None and all(found is None for found in part_labels.values())
    split = x is None and labels is None and parts["train"] is not None
    if left or not (whole or split):
        raise ValueError(
            f"expected one array in {path.name}, or x (data) with labels (y), or train, validation "
            f"and test, got {', '.join(arrays) or 'none'}."
        )
    if x is not None:
        check_data(x, f"{path.name} under x")
        if labels is not None:
            labels = check_labels(labels, len(x), path.name)
        return Source(path.stem, x, labels, part=_positions(parts, len(x), path))
    return _joined(parts, part_labels, path)


def _take(arrays: dict[str, Tensor], keys: tuple[str, ...], path: Path) -> Tensor | None:
    found = [arrays.pop(key) for key in keys if key in arrays]
    if len(found) > 1:
        raise ValueError(f"expected one of {' and '.join(keys)} in {path.name}, got both.")
    return found[0] if found else None


def _positions(parts: Mapping[str, Tensor | None], n: int, path: Path) -> Tensor | None:
    if all(found is None for found in parts.values()):
        return None
    part = torch.full((n,), -1, dtype=torch.int8)
    for which, (name, found) in enumerate(parts.items()):
        if found is None:
            continue
        if found.dtype == torch.bool and found.shape == (n,):
            found = found.nonzero().squeeze(1)
        if found.dim() != 1 or found.is_floating_point() or found.dtype == torch.bool:
            raise ValueError(
                f"expected the positions of data under {name!r} in {path.name}, which also holds "
                f"x, got {found.dtype} of shape {tuple(found.shape)}."
            )
        if len(found) and (found.min() < 0 or found.max() >= n or (part[found.long()] >= 0).any()):
            raise ValueError(
                f"expected positions from 0 to {n - 1} under {name!r} in {path.name}, each in one "
                "part alone, got others."
            )
        part[found.long()] = which
    if (part < 0).any():
        raise ValueError(
            f"expected each datum in train, validation or test in {path.name}, got datum "
            f"{int((part < 0).nonzero()[0])} in none."
        )
    return part


def _joined(
    parts: Mapping[str, Tensor | None], part_labels: Mapping[str, Tensor | None], path: Path
) -> Source:
    data, labels, part = [], [], []
    for which, (name, x) in enumerate(parts.items()):
        given = part_labels[name]
        if x is None:
            if given is not None:
                raise ValueError(
                    f"expected data for the labels of {name} in {path.name}, got none."
                )
            continue
        data.append(check_data(x, f"{path.name} under {name}", least=1))
        if data[0].shape[1:] != x.shape[1:] or data[0].dtype != x.dtype:
            raise ValueError(
                f"expected data of one kind in {path.name}, got {data[0].dtype} of shape "
                f"{tuple(data[0].shape[1:])} to train on and {x.dtype} of shape "
                f"{tuple(x.shape[1:])} under {name}."
            )
        if given is not None:
            labels.append(check_labels(given, len(x), f"{path.name} under {name}"))
        part.append(torch.full((len(x),), which, dtype=torch.int8))
    if labels and len(labels) < len(data):
        raise ValueError(f"expected labels for every part of {path.name}, or none, got some.")
    joined = torch.cat(labels) if labels else None
    return Source(path.stem, torch.cat(data), joined, part=torch.cat(part))
