"""Files of data of every kind, as users have them."""

import gzip
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import datasets

from priory.data import open_source


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
        warnings.catch_warnings(),
        pandas.option_context("mode.string_storage", "python"),
        anndata.settings.override(allow_write_nullable_strings=True),
    ):
        warnings.simplefilter("ignore")  # some pairs of versions of both warn of each other
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


def grey(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    x, y = datasets.load_digits(return_X_y=True)
    return (x[:count] * 255 / 16).round().astype(np.uint8).reshape(-1, 8, 8), y[:count]


def digits() -> np.ndarray:
    return datasets.load_digits().images[1350:]  # those to test on


def npy() -> np.ndarray:
    x, y = grey()
    np.save("x.npy", x)
    np.save("y.npy", y)
    return x


def npz() -> np.ndarray:
    x, y = grey()
    np.savez("x.npz", x=x > 127, labels=y, train=np.arange(80), test=np.arange(80, 120))
    return x > 127


def tensors() -> np.ndarray:
    x, y = grey()
    parts = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    torch.save({name: torch.from_numpy(part) for name, part in parts.items()}, "x.pt")
    return x


def idx(end: str = "") -> np.ndarray:
    x, y = grey()
    Path("written").mkdir()
    for start, rows in (("train", slice(90)), ("t10k", slice(90, 120))):
        write_idx(Path(f"written/{start}-images-idx3-ubyte{end}"), x[rows])
        write_idx(Path(f"written/{start}-labels-idx1-ubyte{end}"), y[rows].astype(np.uint8))
    return x


def images() -> None:
    image = pytest.importorskip("PIL.Image")
    for row, (pixels, label) in enumerate(zip(*grey(60), strict=True)):
        Path(f"png/{label}").mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(f"png/{label}/{row}.png")


def iris():
    pytest.importorskip("pandas")
    table = datasets.load_iris(as_frame=True).frame
    table["species"] = datasets.load_iris().target_names[table.pop("target")]
    table["site"] = np.random.default_rng(0).choice(["north", "south", "east"], len(table))
    return table


def csv() -> None:
    iris().to_csv("iris.csv", index=False)


def gaps() -> None:
    table = iris()
    table.iloc[5, 0], table.iloc[7, 5] = np.nan, None
    table.to_csv("gaps.csv", index=False)


def parquet() -> None:
    pytest.importorskip("pyarrow")
    table = datasets.load_diabetes(as_frame=True).frame
    table["sex"] = np.where(table["sex"] > 0, "one", "other")
    table.to_parquet("x.parquet")


def counts() -> np.ndarray:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    types = rng.choice(["T", "B"], 90)
    x = rng.poisson(np.where(types == "T", 2.0, 400.0)[:, None] * np.ones(12))
    cells = pandas.DataFrame({"cell_type": types}, index=[f"c{n}" for n in range(90)])
    genes = pandas.DataFrame(index=[f"g{n}" for n in range(12)])
    write_counts(Path("x.h5ad"), x.astype(np.float32), cells, genes)
    return x
