"""The multi-layer perceptron with gates."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from priory.networks.mlp import FullyConnected


class GatedLinear(nn.Module):
    """A linear map and its gate, as separate matrices for initialisation and optimisation."""

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(fan_in, fan_out), nn.Linear(fan_in, fan_out)

    def forward(self, h: Tensor) -> Tensor:
        """Map `(*batch, fan_in)` to `(*batch, fan_out)`."""
        out: Tensor = self.linear(h) * self.gate(h).sigmoid()
        return out


class GatedMLP(FullyConnected):
    r"""Fully connected layers, each the product of a linear map and a gate.

    $$h' = (A h + a) \odot \mathrm{sigmoid}(C h + c)$$

    The last layer has no gate. It has no batch statistics, so pseudo-inputs and data can share it.

    Its arguments are those of an [`MLP`][priory.networks.MLP].

    Raises:
        ValueError: If a shape, a width or the number of labels is below one.

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

    def _make_layers(self, sizes: Sequence[int]) -> Sequence[nn.Module]:
        *gated, last = itertools.pairwise(sizes)
        return [*(GatedLinear(*pair) for pair in gated), nn.Linear(*last)]
