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
        >>> open_digits().x.shape
        torch.Size([1797, 8, 8])

    """
    with needs("train"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    part = torch.full((len(digits.target),), 2, dtype=torch.int8)
    part[:1350], part[:1000] = 1, 0
    x, labels = torch.as_tensor(digits.images), torch.as_tensor(digits.target, dtype=torch.long)
    return Source("digits", x.float(), labels, part=part)
