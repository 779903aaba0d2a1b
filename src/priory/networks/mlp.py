"""The multi-layer perceptron."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.shapes import batch_shape, check_sizes


class MLP(nn.Module):
    """Fully connected layers with SiLU between them, from arrays of one shape to another.

    It holds no batch statistics, so that pseudo-inputs and data can share it.

    Args:
        in_shape: The shape of one input.
        out_shape: The shape of one output.
        hidden_sizes: The widths of the hidden layers.

    Raises:
        ValueError: If a shape or a width has an entry below one.

    Examples:
        >>> import torch
        >>> from priory import MLP
        >>> MLP(in_shape=(8, 8), out_shape=(4,), hidden_sizes=(32,))(torch.zeros(5, 8, 8)).shape
        torch.Size([5, 4])

    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        hidden_sizes: Sequence[int] = (256, 256),
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.hidden_sizes = tuple(hidden_sizes)
        check_sizes(
            in_shape=self.in_shape, out_shape=self.out_shape, hidden_sizes=self.hidden_sizes
        )
        sizes = (math.prod(self.in_shape), *self.hidden_sizes, math.prod(self.out_shape))
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *out_shape)`."""
        batch = batch_shape(x, self.in_shape)
        out: Tensor = self.layers(x.reshape(*batch, -1))
        return out.reshape(*batch, *self.out_shape)
