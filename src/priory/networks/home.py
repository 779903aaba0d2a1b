"""The device and dtype of a module's parameters, to which data are moved."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from priory.arrays import Array, as_tensor
from priory.networks.modes import modules_behind


def home_of(module: Callable[..., Any]) -> tuple[torch.device, torch.dtype] | None:
    """Return the device and the dtype of a callable's first floating-point tensor.

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
    """Return data as a tensor: a tensor unchanged, an array in the dtype of a module.

    Nothing is moved yet: data may be large, and only blocks of them go to the module's device.

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
    """Return the result of `taken`, on the device of a module."""
    x = taken(x, module)
    if torch.compiler.is_compiling():  # the compiler gets devices from the tensors
        return x
    home = home_of(module)
    return x if home is None else x.to(home[0])
