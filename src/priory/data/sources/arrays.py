"""Arrays in files: `.npy`, `.npz` and `.pt`."""

import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from priory.data.checks import (
    as_tensor,
    check_alike,
    check_data,
    check_labels,
    existing_file,
    named_labels,
    readable,
)
from priory.data.splits import Source


def open_array(path: str | Path) -> Source:
    """Open a `.npy` file of shape `(N, *data_shape)`, which stays on disk.

    Args:
        path: The file; pickled objects in it are refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a numeric array with at least two dimensions, or contains NaN or an
            infinite value, naming the example.

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
    """Map a `.npy` file of numbers into memory."""
    return as_tensor(map_array(path), Path(path).name)


def map_array(path: str | Path) -> NDArray[Any]:
    """Map a `.npy` file into memory."""
    path = existing_file(path)
    what, advice = f"a numeric array in {path}", "; write it with numpy.save"
    with readable(what, "NumPy's", advice, ValueError, EOFError, OSError, OverflowError, TypeError):
        # "c": torch cannot forbid changes, but they never reach the file
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"expected a numeric array in {path}, got {type(array).__name__}.")
    return array


def open_npz(path: str | Path) -> Source:
    """Open a `.npz` file: one array, or several with the names in `source_from_arrays`.

    Args:
        path: The file; pickled objects in it are refused.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or its arrays are not as expected.
    """
    path = existing_file(path)
    damaged = (ValueError, EOFError, OSError, TypeError, zipfile.BadZipFile, zlib.error)
    foreign = (RuntimeError, MemoryError)  # encrypted, compressed differently, or of the wrong size
    what, advice = f"numeric arrays in {path}", "; write it with numpy.savez"
    guard = readable(what, "NumPy's", advice, *damaged, *foreign)
    with guard, np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    tensors = {name: as_tensor(array, f"{path.name}/{name}") for name, array in arrays.items()}
    return source_from_arrays(tensors, path)


FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PLAIN = (*FLOATS, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
WIDER = (
    torch.uint16,
    torch.uint32,
    torch.uint64,
)  # torch can store these, but do little else with them


def open_tensors(path: str | Path) -> Source:
    """Open a `.pt` file: a tensor, or a dict of tensors with the names in `source_from_arrays`.

    Only tensors are read, and stay on disk if possible; objects and code in the file are refused
    and never run.

    Args:
        path: A file written by `torch.save`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or contains anything but tensors of numbers.
    """
    path = existing_file(path)
    loaded = _load(path)
    arrays = loaded if isinstance(loaded, Mapping) else {"x": loaded}
    for name, value in arrays.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"expected a tensor, or a dict of tensors by name, in {path}, got "
                f"{type(value).__name__} under {name!r}."
            )
        strided = value.layout == torch.strided and not (value.is_quantized or value.is_meta)
        if not strided or value.dtype not in (*PLAIN, *WIDER):
            kind = str(value.dtype).removeprefix("torch.") if strided else "others"
            raise ValueError(
                f"expected tensors of plain numbers in {path}, got {kind} under {name!r}; convert "
                "it to float32."
            )
    tensors = {
        name: _wider(value.detach(), f"{path.name}/{name}") for name, value in arrays.items()
    }
    return source_from_arrays(tensors, path)


def _wider(tensor: Tensor, where: str) -> Tensor:
    """Return a tensor in a dtype that torch can work with; data on disk stay there."""
    if tensor.dtype not in WIDER:
        return tensor
    return as_tensor(tensor.numpy(), where)


def _load(path: Path) -> Any:
    errors = (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError)
    try:
        with readable(f"tensors in {path}", "torch's", "; write it with torch.save", *errors):
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # the old format cannot be mapped
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"expected only tensors in {path}, got a file that is damaged or contains other "
            "objects or code, which are never run; write it with torch.save from tensors."
        ) from error


DATA, LABELS = ("x", "data"), ("labels", "y")
PARTS = {name: (name, f"x_{name}") for name in ("train", "validation", "test")}
PART_LABELS = {name: (f"{name}_labels", f"y_{name}") for name in PARTS}


def source_from_arrays(arrays: Mapping[str, Tensor], path: Path) -> Source:
    """Return the data in a file of named arrays.

    A single array is the data. So is one named `x` or `data`, optionally with `labels` or `y`, and
    with `train`, `validation` and `test` as the positions of the data in each part. Alternatively,
    the data are in `train`, `validation` and `test` themselves (also `x_train`, ...), with
    `train_labels` (also `y_train`), ...
    """
    if len(arrays) == 1:
        return Source(path.stem, check_data(next(iter(arrays.values())), path.name))
    left = dict(arrays)
    x = _take(left, DATA, path)
    labels = _take(left, LABELS, path)
    parts = {name: _take(left, keys, path) for name, keys in PARTS.items()}
    part_labels = {name: _take(left, keys, path) for name, keys in PART_LABELS.items()}
    whole = x is not None and all(array is None for array in part_labels.values())
    split = x is None and labels is None and parts["train"] is not None
    if left or not (whole or split):
        raise ValueError(
            f"expected one array in {path.name}, or x (data) with labels (y), or train, validation "
            f"and test, got {', '.join(arrays) or 'none'}."
        )
    if x is not None:
        check_data(x, f"{path.name} under x")
        part, names = _positions(parts, len(x), path), None
        if labels is not None:
            labels, names = named_labels(check_labels(labels, len(x), path.name), path.name)
        return Source(path.stem, x, labels, names, part)
    return _joined(parts, part_labels, path)


def _take(arrays: dict[str, Tensor], keys: tuple[str, ...], path: Path) -> Tensor | None:
    given = [arrays.pop(key) for key in keys if key in arrays]
    if len(given) > 1:
        raise ValueError(f"expected one of {' and '.join(keys)} in {path.name}, got both.")
    return given[0] if given else None


def _positions(parts: Mapping[str, Tensor | None], n: int, path: Path) -> Tensor | None:
    if all(positions is None for positions in parts.values()):
        return None
    part = torch.full((n,), -1, dtype=torch.int8)
    for which, (name, positions) in enumerate(parts.items()):
        if positions is None:
            continue
        if positions.dtype == torch.bool and positions.shape == (n,):
            positions = positions.nonzero().squeeze(1)
        if positions.dim() != 1 or positions.is_floating_point() or positions.dtype == torch.bool:
            raise ValueError(
                f"expected the positions of data under {name!r} in {path.name}, which also has x, "
                f"got {positions.dtype} of shape {tuple(positions.shape)}."
            )
        if len(positions) and (
            positions.min() < 0 or positions.max() >= n or (part[positions.long()] >= 0).any()
        ):
            raise ValueError(
                f"expected positions from 0 to {n - 1} under {name!r} in {path.name}, each in only "
                "one part, got others."
            )
        part[positions.long()] = which
    if (part < 0).any():
        raise ValueError(
            f"expected each example in train, validation or test in {path.name}, got example "
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
        check_alike(data[0], x, path.name, f"under {name}")
        if given is not None:
            labels.append(check_labels(given, len(x), f"{path.name} under {name}"))
        part.append(torch.full((len(x),), which, dtype=torch.int8))
    if labels and len(labels) < len(data):
        raise ValueError(f"expected labels for every part of {path.name}, or none, got some.")
    joined, names = named_labels(torch.cat(labels), path.name) if labels else (None, None)
    return Source(path.stem, torch.cat(data), joined, names, torch.cat(part))


SUFFIXES = {".npy": open_array, ".npz": open_npz, ".pt": open_tensors}
