"""Constants that are exact in the type of their module, whatever that becomes."""

import torch
from jaxtyping import Float64
from torch import Tensor


def in_two_parts(values: Float64[Tensor, "*shape"]) -> Tensor:
    """Return constants as the sum, over the first dimension, of what float32 holds and the rest.

    A module that is made in float32 and cast to float64 afterwards would keep constants of seven
    digits. Of two parts it keeps fourteen, and no type, device or file has to be told of it.

    Args:
        values: The constants.

    Returns:
        A buffer of shape `(2, *shape)`, of the default type.

    Examples:
        >>> import torch
        >>> from priory.networks.constants import in_two_parts
        >>> tenth = in_two_parts(torch.tensor(0.1, dtype=torch.float64))
        >>> tenth.sum(0).item(), tenth.double().sum(0).item()
        (0.10000000149011612, 0.09999999999999998)

    """
    held = values.float()
    return torch.stack((held, (values - held).float())).to(torch.get_default_dtype())
