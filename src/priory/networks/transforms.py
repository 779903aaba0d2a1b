"""What data may go through before they are mapped to [-1, 1]."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

TransformName = Literal["linear", "log1p"]


def _linear(x: Tensor) -> Tensor:
    return x


TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {"linear": _linear, "log1p": torch.log1p}
