"""Where a module is at home: the device and the type of its numbers, to which data are brought."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from priory.arrays import Array, as_tensor
from priory.networks.modes import modules_behind


def home_of(module: Callable[..., Any]) -> tuple[torch.device, torch.dtype] | None:
    """Return the device and the type of the first floating-point numbers in a callable's memory.

    Examples:
        >>> from torch import nn
        >>> from priory.networks.home import home_of
        >>> home_of(nn.Linear(3, 2).double().forward)
        (device(type='cpu'), torch.float64)
    """
    for root in [module] if isinstance(module, nn.Module) else modules_behind(module):
        for tensor in chain(root.parameters(), root.buffers()):
            if tensor.is_floating_point() and not tensor.is_meta:
                return tensor.device, tensor.dtype
    return None


def taken(x: Tensor | Array, module: Callable[..., Any]) -> Tensor:
    """Return data as a tensor: a tensor as it is, an array in the type of a module's numbers.

    Nothing is moved yet: data may be many, and only blocks of them go to the module's device.

    Examples:
        >>> import numpy as np
        >>> from torch import nn
        >>> from priory.networks.home import taken
        >>> taken(np.ones((2, 3), np.uint8), nn.Linear(3, 1)).dtype
        torch.float32
    """
    if isinstance(x, Tensor):
        return as_tensor(x)
    home = home_of(module)
    return as_tensor(x, torch.get_default_dtype() if home is None else home[1])


def brought(x: Tensor | Array, module: Callable[..., Any]) -> Tensor:
    """Return what `taken` does, on the device of a module's numbers."""
    x = taken(x, module)
    if torch.compiler.is_compiling():  # which is told of devices by the tensors that it gets
        return x
    home = home_of(module)
    return x if home is None else x.to(home[0])
