"""The multi-layer perceptron with gates."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.shapes import batch_shape, check_sizes


class GatedLinear(nn.Module):
    """A linear map and its gate, each a matrix of its own to initialise and to optimise."""

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(fan_in, fan_out), nn.Linear(fan_in, fan_out)

    def forward(self, h: Tensor) -> Tensor:
        """Map `(*batch, fan_in)` to `(*batch, fan_out)`."""
        out: Tensor = self.linear(h) * self.gate(h).sigmoid()
        return out


class GatedMLP(nn.Module):
    r"""Fully connected layers, each the product of a linear map and a gate.

    $$h' = (A h + a) \odot \mathrm{sigmoid}(C h + c)$$

    The last layer has no gate. It holds no batch statistics, so that pseudo-inputs and data can
    share it.

    Args:
        in_shape: The shape of one input.
        out_shape: The shape of one output.
        hidden_sizes: The widths of the hidden layers.

    Raises:
        ValueError: If a shape or a width has an entry below one.

    Reference:
        Dauphin et al., *Language Modeling with Gated Convolutional Networks*, ICML 2017, equation
        1; Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018, section 4, in its networks.

    Examples:
        >>> import torch
        >>> from priory.networks import GatedMLP
        >>> network = GatedMLP(in_shape=(8, 8), out_shape=(4,), hidden_sizes=(32,))
        >>> network(torch.zeros(5, 8, 8)).shape
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
        sizes = (math.prod(self.in_shape), *self.hidden_sizes)
        layers = (GatedLinear(*pair) for pair in itertools.pairwise(sizes))
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], math.prod(self.out_shape)))

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *out_shape)`."""
        batch = batch_shape(x, self.in_shape)
        out: Tensor = self.layers(x.reshape(*batch, math.prod(self.in_shape)))
        return out.reshape(*batch, *self.out_shape)
