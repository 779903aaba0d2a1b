"""The multi-layer perceptron whose layers are normalised."""

import itertools
from collections.abc import Sequence

from torch import nn

from priory.networks.mlp import FullyConnected


class NormedMLP(FullyConnected):
    r"""Fully connected layers, each normalised over its outputs, from arrays to arrays.

    $$h' = \mathrm{SiLU}(\mathrm{LayerNorm}(A h + a))$$

    The last layer is not normalised. Inputs with very different sizes, such as the counts of cells
    sequenced to different depths, give similar outputs. Each example is normalised separately:
    there are no batch statistics, so pseudo-inputs and data can share it.

    Its arguments are those of an [`MLP`][priory.networks.MLP].

    Raises:
        ValueError: If a shape, a width or the number of labels or of batches is below one.

    Reference:
        Ba et al., *Layer Normalization*, 2016, equation 4.

    Examples:
        >>> import torch
        >>> from priory.networks import NormedMLP
        >>> network = NormedMLP(in_shape=(8, 8), out_shape=(4,), hidden_sizes=(32,))
        >>> network(torch.zeros(5, 8, 8)).shape
        torch.Size([5, 4])
    """

    def _make_layers(self, sizes: Sequence[int]) -> Sequence[nn.Module]:
        *hidden, last = itertools.pairwise(sizes)
        layers = [(nn.Linear(*pair), nn.LayerNorm(pair[1]), nn.SiLU()) for pair in hidden]
        return [*itertools.chain.from_iterable(layers), nn.Linear(*last)]
