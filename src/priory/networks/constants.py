"""Constants of a module: saved with it, and kept if an older state lacks them."""

from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor, nn


def add_constant(module: nn.Module, name: str, value: Tensor) -> None:
    """Register a buffer that follows from a module's arguments.

    It is saved with the module, so that one built on the `meta` device is complete once it is
    loaded. A state without it (from version 0.1, which saved no constants) does not change it.

    Examples:
        >>> import torch
        >>> from priory.networks.constants import add_constant
        >>> module = torch.nn.Module()
        >>> add_constant(module, "centre", torch.tensor(8.0))
        >>> module.load_state_dict({})
        <All keys matched successfully>
        >>> module.centre
        tensor(8.)
    """
    if "_has_no_value" not in vars(module):
        vars(module)["_has_no_value"] = {}
        module.register_load_state_dict_pre_hook(_keep_constants)
    vars(module)["_has_no_value"][name] = value.is_meta
    module.register_buffer(name, value)


def _keep_constants(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    has_no_value: dict[str, bool] = vars(module)["_has_no_value"]
    for name, missing in has_no_value.items():
        key = prefix + name
        if key in state:
            has_no_value[name] = False
        elif not missing:
            state[key] = getattr(module, name)
        else:
            raise ValueError(
                f"expected the constant {key} in the state of a {type(module).__name__} built on "
                "the meta device, got a state without it, as saved by version 0.1; build the "
                "module on a device with memory, load it, and save it again."
            )


def in_two_parts(values: Float64[Tensor, "*shape"]) -> Tensor:
    """Return constants as the sum, over the first dimension, of a float32 part and the rest.

    A module created in float32 and cast to float64 later would keep only seven digits of a
    constant. With two parts, `(2, *shape)`, it keeps fourteen, whatever the dtype, device or file.

    Examples:
        >>> import torch
        >>> from priory.networks.constants import in_two_parts
        >>> tenth = in_two_parts(torch.tensor(0.1, dtype=torch.float64))
        >>> tenth.sum(0).item(), tenth.double().sum(0).item()
        (0.10000000149011612, 0.09999999999999998)
    """
    held = values.float()
    return torch.stack((held, (values - held).float())).to(torch.get_default_dtype())
