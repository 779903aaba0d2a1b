"""The location and scale of a decoder, from the output of its network."""

import math

import torch
from torch import Tensor, nn

from priory.arguments import at_least
from priory.networks.constants import add_constant, in_two_parts
from priory.networks.data_range import DataRange


class LocationScale(nn.Module):
    r"""A location, and a scale that is fixed, shared by all dimensions or from the network.

    With c the middle of the data's range and w half its width, the location is $c + w f(z)$ and a
    learned scale is $w\,(m + e^t)$, where m is the lower limit and t is learned.

    Args:
        scale: A number for a fixed scale, in units of the data; `"shared"` for one learned t;
            `"network"` for one t per dimension from the network, whose output then has a last
            dimension of size two, for f(z) and t.
        min_scale: The lower limit m.
        data_range: The smallest and the largest value an example can take, checked.
    """

    centre: Tensor
    half_width: Tensor

    def __init__(self, scale: float | str, min_scale: float, data_range: DataRange) -> None:
        super().__init__()
        fixed = not isinstance(scale, str)
        if not (scale in ("shared", "network") or (fixed and 0 < float(scale) < math.inf)):
            raise ValueError(
                f"expected scale='shared', scale='network' or a number above zero, got {scale!r}."
            )
        at_least(0, min_scale=min_scale)
        self.scale = scale
        self.min_scale = min_scale
        low, high = (torch.tensor(bound, dtype=torch.float64) for bound in data_range)
        add_constant(self, "centre", in_two_parts((high + low) / 2))
        add_constant(self, "half_width", in_two_parts((high - low) / 2))
        if scale == "shared":
            self.log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Return location and scale, `(*batch, *data_shape)` each."""
        centre, half_width = self.centre.sum(0), self.half_width.sum(0)
        if self.scale == "network":
            out, log_scale = out.unbind(-1)
            scale = half_width * (self.min_scale + log_scale.exp())
        elif self.scale == "shared":
            scale = half_width * (self.min_scale + self.log_scale.exp())
        else:
            scale = out.new_full((), float(self.scale))
        return centre + half_width * out, scale.expand_as(out)


def pixel_shape(scale: float | str) -> tuple[int, ...]:
    """Return the shape of a network's output per dimension of the data, for an option."""
    return (2,) if scale == "network" else ()
