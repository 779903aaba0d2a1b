"""A network that makes pseudo-inputs, from one code for each."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from priory.networks.mlp import MLP


class Generator(nn.Module):
    r"""Points $f(\sqrt{K} e_k)$ of a space of data, from the rows $e_k$ of an identity matrix.

    A linear layer starts with weights of about $1/\sqrt{K}$, so that codes of this length let the
    points begin well apart.

    Args:
        num_components: The number of points K.
        data_shape: The shape of one of them.
        hidden_sizes: The widths of the hidden layers of f.

    Reference:
        The pseudo-inputs of the code published with Tomczak & Welling, *VAE with a VampPrior*,
        AISTATS 2018: a linear layer on the identity, with a bounded nonlinearity.

    """

    codes: Tensor

    def __init__(
        self, num_components: int, data_shape: Sequence[int], hidden_sizes: Sequence[int]
    ) -> None:
        super().__init__()
        codes = num_components**0.5 * torch.eye(num_components)
        self.register_buffer("codes", codes, persistent=False)
        self.network = MLP((num_components,), data_shape, hidden_sizes)

    def forward(self) -> Tensor:
        """Return the points, `(K, *data_shape)`."""
        points: Tensor = self.network(self.codes)
        return points

    def state_of(self, kept: Tensor) -> dict[str, Tensor]:
        """Return the state of a generator that makes only the points at these positions."""
        state: dict[str, Tensor] = {**self.state_dict()}
        first = state["network.layers.0.weight"]  # a column for each code
        shorter = (len(kept) / first.shape[1]) ** 0.5
        state["network.layers.0.weight"] = first[:, kept] / shorter
        return state
