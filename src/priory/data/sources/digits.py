"""The digits of scikit-learn: 1797 images of 8×8 pixels, with values 0 to 16."""

import torch

from priory.data.source import Source
from priory.extras import needs


def open_digits() -> Source:
    """Return the digits: the first 1000 to train, the next 350 to validate, the last 447 to test.

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
