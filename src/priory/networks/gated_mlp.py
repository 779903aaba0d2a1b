"""The multi-layer perceptron with gates."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.mlp import check_sizes, flat_inputs


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
        num_labels: The number of labels C, of which every input has one beside it, for an encoder
            or decoder of labelled data; None takes no labels.

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

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        hidden_sizes: Sequence[int] = (256, 256),
        num_labels: int | None = None,
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.hidden_sizes = tuple(hidden_sizes)
        self.num_labels = num_labels
        check_sizes(
            in_shape=self.in_shape,
            out_shape=self.out_shape,
            hidden_sizes=self.hidden_sizes,
            num_labels=num_labels,
        )
        sizes = (math.prod(self.in_shape) + (num_labels or 0), *self.hidden_sizes)
        layers = (GatedLinear(*pair) for pair in itertools.pairwise(sizes))
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], math.prod(self.out_shape)))

    def forward(
        self, x: Float[Tensor, "..."], labels: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *out_shape)`.

        Args:
            x: The inputs.
            labels: The share of each label in each input, one-hot for one that is known, where B is
                the last dimension of the batch.

        """
        x = flat_inputs(x, self.in_shape, self.num_labels, labels)
        out: Tensor = self.layers(x)
        return out.reshape(*x.shape[:-1], *self.out_shape)
