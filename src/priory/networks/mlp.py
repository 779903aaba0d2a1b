"""The multi-layer perceptron."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.shapes import check_sizes, flat_inputs


class MLP(nn.Module):
    """Fully connected layers with SiLU between them, from arrays of one shape to another.

    It holds no batch statistics, so that pseudo-inputs and data can share it.

    Args:
        in_shape: The shape of one input.
        out_shape: The shape of one output.
        hidden_sizes: The widths of the hidden layers.
        num_labels: The number of labels C, of which every input has one beside it, for an encoder
            or decoder of labelled data; None takes no labels.

    Raises:
        ValueError: If a shape, a width or the number of labels is below one.

    Examples:
        >>> import priory, torch
        >>> from priory import MLP
        >>> MLP(in_shape=(8, 8), out_shape=(4,), hidden_sizes=(32,))(torch.zeros(5, 8, 8)).shape
        torch.Size([5, 4])
        >>> labels = torch.tensor([0, 2, 1, 0, 2])
        >>> encoder = priory.GaussianEncoder(MLP((8, 8), (4,), num_labels=3))
        >>> encoder(torch.zeros(5, 8, 8), priory.Context(labels=labels)).batch_shape
        torch.Size([5])

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
        inputs = math.prod(self.in_shape) + (num_labels or 0)
        sizes = (inputs, *self.hidden_sizes, math.prod(self.out_shape))
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

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
