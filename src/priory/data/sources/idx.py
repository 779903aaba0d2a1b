"""Arrays in the format of MNIST's files (IDX), compressed or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priory.data.checks import (
    as_tensor,
    check_alike,
    check_data,
    check_labels,
    existing_file,
    named_labels,
)
from priory.data.sources.own_split import TEST, VALIDATION
from priory.data.splits import Source

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
VALIDATE_ONE_IN = 6


def open_idx(path: str | Path) -> Source:
    """Open one IDX file of shape `(N, *data_shape)`; it stays on disk unless it is compressed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated or contains something else.
    """
    path = Path(path)
    return Source(path.name.split(".")[0], check_data(read_idx(path), path.name))


def open_idx_folder(folder: str | Path, name: str | None = None) -> Source:
    """Open a folder with the four files of MNIST, or of a similar data set.

    The test file is for testing, and the last sixth of the training file for validation: of MNIST's
    60,000 images, the first 50,000 are for training.

    Args:
        folder: The folder of `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
            `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each with or without `.gz`.
        name: The name of the data; by default that of the folder.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is truncated or contains something else, or the files do not match.

    Reference:
        LeCun, Bottou, Bengio & Haffner, *Gradient-Based Learning Applied to Document Recognition*,
        1998; Xiao, Rasul & Vollgraf, *Fashion-MNIST*, 2017.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of IDX files at {folder}, found none.")
    images, labels = [], []
    for start in ("train", "t10k"):
        path = find_idx(folder, f"{start}-images", 3)
        images.append(check_data(read_idx(path), path.name))
        path = find_idx(folder, f"{start}-labels", 1)
        labels.append(check_labels(read_idx(path), len(images[-1]), path.name))
    train, test = images
    check_alike(train, test, folder, "for testing")
    part = torch.zeros(len(train) + len(test), dtype=torch.int8)
    part[len(train) - len(train) // VALIDATE_ONE_IN : len(train)] = VALIDATION
    part[len(train) :] = TEST
    label, names = named_labels(torch.cat(labels), folder.name)
    return Source(name or folder.resolve().name, torch.cat(images), label, names, part)


def is_idx_folder(folder: str | Path) -> bool:
    """Return whether a folder has at least one IDX file with a name from MNIST."""
    return any(
        path.name.startswith(("train-images", "train-labels", "t10k-images", "t10k-labels"))
        for path in Path(folder).iterdir()
        if path.is_file()
    )


def find_idx(folder: Path, start: str, dims: int) -> Path:
    """Find a file by the start of its name, in all common spellings."""
    for join in ("-", "."):
        for end in ("", ".gz"):
            path = folder / f"{start}{join}idx{dims}-ubyte{end}"
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"expected a file {start}-idx{dims}-ubyte, or the same with .gz, in {folder}, found none."
    )


def read_idx(path: str | Path) -> Tensor:
    """Read an IDX file: two zeros, a type, a number of dimensions, the dimensions, the values.

    An uncompressed file with one byte per value stays on disk.

    Reference:
        The format is given at the end of LeCun, Cortes & Burges, *The MNIST Database*.
    """
    path = existing_file(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            start = file.read(4 + 4 * 255)
            offset, dtype, shape = _header(start, path)
            length = offset + math.prod(shape) * dtype.itemsize
            if packed and length > MOST_UNPACKED:
                raise ValueError(
                    f"expected at most {MOST_UNPACKED / 2**30:g} GiB in {path}, whose header gives "
                    f"shape {shape}; decompress it, so that it stays on disk."
                )
            more = max(0, length - len(start)) + 1  # and no more than the header of the file says
            content = bytearray(start + file.read(more)) if packed else None
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected a complete gzip file at {path}, got one that is truncated or corrupt; "
            "download it again."
        ) from error
    size = path.stat().st_size if content is None else len(content)
    if size != length:
        got = f"{size}" if content is None or size < length else "more"
        raise ValueError(
            f"expected {length} bytes in {path}, whose header gives shape {shape}, got {got}; "
            "download it again."
        )
    if content is not None:
        array = np.frombuffer(content, dtype, offset=offset).reshape(shape)
    else:
        array = np.memmap(path, dtype, "c", offset, shape)
    return as_tensor(array, path.name)


def _header(start: bytes, path: Path) -> tuple[int, np.dtype[Any], tuple[int, ...]]:
    """Return where the values of an IDX file start, their type and their shape."""
    dims = start[3] if len(start) > 3 else 0
    offset = 4 + 4 * dims
    if start[:2] != b"\0\0" or start[2:3] == b"" or start[2] not in DTYPES or len(start) < offset:
        raise ValueError(
            f"expected an IDX file at {path}, which starts with 0x0000, a type and a number of "
            f"dimensions, got the magic number 0x{start[:4].hex()}."
        )
    shape = struct.unpack(f">{dims}I", start[4:offset])
    if not all(shape):
        raise ValueError(f"expected data in {path}, got none: its header gives shape {shape}.")
    return offset, np.dtype(DTYPES[start[2]]), shape


MOST_UNPACKED = 2**30
SUFFIXES = {"-ubyte": open_idx, "-ubyte.gz": open_idx}
