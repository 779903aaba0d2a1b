"""Tensors in a `.pt` file."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priory.data.checks import existing_file
from priory.data.source import Source
from priory.data.sources.named import source_from_arrays

# torch can store these, and little more
WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}


def open_tensors(path: str | Path) -> Source:
    """Open a `.pt` file: a tensor, or a dict of tensors with the names of `source_from_arrays`.

    Only tensors are read, and stay on disk where they can; objects and code in the file are refused
    without being run.

    Args:
        path: A file written by `torch.save`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or holds anything but tensors of numbers.

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
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise ValueError(f"expected tensors of plain numbers in {path}, got others.")
    tensors = {name: value.detach() for name, value in arrays.items()}
    return source_from_arrays(
        {name: t.to(WIDER.get(t.dtype, t.dtype)) for name, t in tensors.items()}, path
    )


def _load(path: Path) -> Any:
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format of old cannot be mapped
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"expected tensors alone in {path}, got a file that is damaged or holds other objects "
            "or code, which are never run; write it with torch.save from tensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(
            f"expected tensors in {path}, got a file that is truncated or not in torch's format; "
            "write it with torch.save."
        ) from error
