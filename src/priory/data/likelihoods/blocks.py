"""Big tensors a block at a time."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

MOST_ROWS = 4096
MOST_NUMBERS = 2**22


def blocks(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Give blocks of data as floating point, each with the position of its first datum.

    Data may be of any type and lie in a file that is mapped into memory: no more than one block is
    ever converted.
    """
    rows = max(1, min(MOST_ROWS, MOST_NUMBERS // max(1, math.prod(x.shape[1:]))))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        if part.dtype not in (torch.float32, torch.float64):  # float32 holds what 16 bits hold
            part = part.float() if part.element_size() <= 2 else part.double()
        yield start, part
