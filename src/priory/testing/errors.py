"""How far two tensors lie apart."""

import math

from torch import Tensor


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative where above one; infinite for other shapes."""
    if actual.shape != expected.shape:
        return math.inf
    return float(((actual - expected).abs() / (1 + expected.abs())).max().detach())
