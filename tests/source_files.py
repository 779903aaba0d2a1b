"""Files of data of every kind, as users have them."""

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from priory.data import (
    open_source,
)


def write_idx(path: Path, array: np.ndarray, code: int = 0x08) -> bytes:
    content = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content += array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return content


def write_mnist(folder: Path, end: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Write 12 + 4 images of 3×2 as MNIST's files are, and return them with their labels."""
    folder.mkdir(exist_ok=True)
    x = np.random.default_rng(0).integers(0, 256, (16, 3, 2)).astype(np.uint8)
    y = np.arange(16).astype(np.uint8) % 3
    for start, rows in (("train", slice(12)), ("t10k", slice(12, 16))):
        write_idx(folder / f"{start}-images-idx3-ubyte{end}", x[rows])
        write_idx(folder / f"{start}-labels-idx1-ubyte{end}", y[rows])
    return x, y


def write_images(folder: Path, sizes=((3, 2),), mode="L", **files: str) -> None:
    """Write one image of random pixels for each size, or for each file that is named."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    named = list(files.values()) or [f"{k}.png" for k in range(len(sizes))]
    for k, name in enumerate(named):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*sizes[k % len(sizes)], 4)).astype(np.uint8)
        image.fromarray(pixels, "RGBA").convert(mode).save(folder / name)


def people(n: int = 60, seed: int = 0):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "height": rng.normal(170, 10, n),
            "eyes": rng.choice(["blue", "brown", "green"], n),
            "children": rng.integers(0, 4, n),
            "born": 1.7e9 + rng.normal(0, 3, n),
            "left": rng.random(n) < 0.5,
            "class": rng.choice(["x", "y"], n),
        }
    )


def write_counts(path: Path, *arguments, **layers) -> None:
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    with (
        pandas.option_context("mode.string_storage", "python"),
        anndata.settings.override(allow_write_nullable_strings=True),
    ):
        frames = [
            pandas.DataFrame({name: list(frame[name]) for name in frame}, index=list(frame.index))
            for frame in arguments[1:]
        ]
        anndata.AnnData(arguments[0], *frames, layers=layers).write_h5ad(path)


def refused(error: type[Exception], match: str, spec, **arguments) -> None:
    """Expect one sentence."""
    with pytest.raises(error, match=match) as caught:
        open_source(spec, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(r"\.$|\?$", message), message
