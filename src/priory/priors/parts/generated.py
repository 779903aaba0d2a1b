"""Pseudo-inputs that a network generates, from one code each."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor, nn

from priory.networks.constants import add_constant
from priory.networks.data_range import DataRange
from priory.networks.mlp import MLP
from priory.priors.parts.posteriors import PseudoInputs


class GeneratedInputs(PseudoInputs):
    r"""Pseudo-inputs $f(\sqrt{K} e_k)$ from the rows $e_k$ of an identity matrix.

    A linear layer starts with weights of about $1/\sqrt{K}$, so codes of this length make the
    initial inputs well separated. They are initialised randomly.

    The arguments are those of a [`VampPrior`][priory.priors.VampPrior], and `hidden_sizes`: the
    widths of the hidden layers of f; with none, it is the linear layer in the reference's code.

    Raises:
        ValueError: If a size is below one, or the range is empty.

    Reference:
        The pseudo-inputs of the code published with Tomczak & Welling, *VAE with a VampPrior*,
        AISTATS 2018: a linear layer on the identity, with a bounded nonlinearity.
    """

    kind = "generated"

    def __init__(
        self,
        num_components: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        hidden_sizes: Sequence[int] = (),
    ) -> None:
        super().__init__(num_components, data_shape, data_range)
        self.hidden_sizes = tuple(hidden_sizes)
        self.network = _Generator(num_components, self.data_shape, self.hidden_sizes)

    @property
    def unit_inputs(self) -> Tensor:
        """The output of the network, around the middle of the range."""
        points: Tensor = self.network()
        return 0.5 + points

    def select(self, kept: Int[Tensor, " K"]) -> "GeneratedInputs":
        """Return only the inputs at these positions."""
        new = type(self)(len(kept), self.data_shape, self.data_range, self.hidden_sizes)
        new.to(self.low).network.load_state_dict(self.network.state_of(kept))
        return new


class _Generator(nn.Module):
    codes: Tensor

    def __init__(
        self, num_components: int, data_shape: Sequence[int], hidden_sizes: Sequence[int]
    ) -> None:
        super().__init__()
        add_constant(self, "codes", num_components**0.5 * torch.eye(num_components))
        self.network = MLP((num_components,), data_shape, hidden_sizes)

    def forward(self) -> Tensor:
        points: Tensor = self.network(self.codes)
        return points

    def state_of(self, kept: Tensor) -> dict[str, Tensor]:
        """Return the state of a generator for only the points at these positions."""
        state: dict[str, Tensor] = {**self.state_dict()}
        del state["codes"]
        first = state["network.layers.0.weight"]  # one column per code
        shorter = (len(kept) / first.shape[1]) ** 0.5
        state["network.layers.0.weight"] = first[:, kept] / shorter
        return state
