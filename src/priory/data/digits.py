"""The digits of scikit-learn: 1797 images of 8×8 pixels, with values 0 to 16."""

import torch

from priory.data.splits import Splits
from priory.extras import needs


def open_digits() -> Splits:
    """Return the digits: the first 1000 to train, the next 350 to validate, the last 447 to test.

    Raises:
        ImportError: If scikit-learn is not installed.

    Reference:
        Alpaydin & Kaynak, *Optical Recognition of Handwritten Digits*, 1998; the split is that of
        Tomczak, *Deep Generative Modeling*, 2022.

    Examples:
        >>> from priory.data import open_digits
        >>> open_digits().train.shape
        torch.Size([1000, 8, 8])

    """
    with needs("train"):
        from sklearn.datasets import load_digits
    images = torch.as_tensor(load_digits().images, dtype=torch.float32)
    return Splits("digits", images[:1000], images[1000:1350], images[1350:])
