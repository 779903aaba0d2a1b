"""How far two tensors lie apart, and what an exception says."""

import math

from torch import Tensor


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative where above one; infinite for other shapes."""
    if actual.shape != expected.shape:
        return math.inf
    return float(((actual - expected).abs() / (1 + expected.abs())).max().detach())


def first_line(error: Exception) -> str:
    """Return the beginning of what an exception says."""
    return (str(error).strip() or "no message").splitlines()[0][:240]
