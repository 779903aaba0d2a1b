"""Built-in data sets: the digits of scikit-learn, MNIST and Fashion-MNIST."""

import warnings
from pathlib import Path

import numpy as np
import torch

from priory.data.sources.idx import open_idx_folder
from priory.data.splits import Source
from priory.extras import needs


def open_digits() -> Source:
    """Return the digits: 1000 for training, then 350 for validation and 447 for testing.

    Raises:
        ImportError: If scikit-learn is not installed.

    Reference:
        Alpaydin & Kaynak, *Optical Recognition of Handwritten Digits*, 1998; the split is that of
        Tomczak, *Deep Generative Modeling*, 2022.

    Examples:
        >>> from priory.data import open_digits
        >>> source = open_digits()
        >>> source.x.shape, source.part.bincount().tolist()
        (torch.Size([1797, 8, 8]), [1000, 350, 447])
    """
    with needs("train"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    part = torch.zeros(len(digits.images), dtype=torch.int8)
    part[1000:1350] = 1
    part[1350:] = 2
    return Source(
        "digits",
        torch.as_tensor(digits.images, dtype=torch.float32),
        torch.as_tensor(digits.target, dtype=torch.int64),
        tuple(map(str, digits.target_names)),
        part,
    )


CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"


def open_mnist(folder: str | Path | None = None) -> Source:
    """Open MNIST: 50,000 images of 28×28 for training, 10,000 for validation, 10,000 for testing.

    Args:
        folder: The folder with its four files; by default the images come from OpenML through
            scikit-learn, which caches them.

    Raises:
        FileNotFoundError: If the folder lacks a file, or OpenML cannot be reached.
        ImportError: If there is no folder, and scikit-learn or pandas is not installed.
        ValueError: If a file is truncated or contains something else.

    Reference:
        LeCun, Bottou, Bengio & Haffner, *Gradient-Based Learning Applied to Document Recognition*,
        1998.
    """
    names = tuple(map(str, range(10)))
    return _open("mnist", "mnist_784", names, folder)


def open_fashion_mnist(folder: str | Path | None = None) -> Source:
    """Open Fashion-MNIST: images of ten kinds of clothes, split like MNIST.

    The folder and the errors are those of `open_mnist`.

    Reference:
        Xiao, Rasul & Vollgraf, *Fashion-MNIST*, 2017.
    """
    return _open("fashion-mnist", "Fashion-MNIST", tuple(CLOTHES.split(",")), folder)


def _open(name: str, openml: str, names: tuple[str, ...], folder: str | Path | None) -> Source:
    source = _fetch(name, openml) if folder is None else open_idx_folder(folder, name)
    labels = source.labels
    if labels is not None and source.label_names is not None:  # perhaps without some labels
        labels = torch.tensor([*map(int, source.label_names)])[labels]
    if labels is None or int(labels.max()) >= len(names):
        raise ValueError(f"expected labels from 0 to {len(names) - 1} in {name}, got others.")
    return Source(name, source.x, labels, names, source.part)


def _fetch(name: str, openml: str) -> Source:
    with needs("train"):
        from sklearn.datasets import fetch_openml
    try:
        with needs("data"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each attempt to reach the network
            fetched = fetch_openml(openml, version=1, as_frame=False, parser="pandas", n_retries=1)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"expected {name} in a folder or from OpenML, which cannot be reached; give the folder "
            f"with its four files as {name}:FOLDER."
        ) from error
    x = torch.from_numpy(np.asarray(fetched.data, np.uint8).reshape(-1, 28, 28))
    labels = torch.from_numpy(np.asarray(fetched.target).astype(np.int64))
    part = torch.zeros(len(x), dtype=torch.int8)
    part[50_000:60_000] = 1
    part[60_000:] = 2
    return Source(name, x, labels, None, part)


NAMES = {"digits": open_digits, "mnist": open_mnist, "fashion-mnist": open_fashion_mnist}
