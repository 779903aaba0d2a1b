"""Multi-layer perceptrons, and the base of networks between arrays of fixed shapes."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn


class FullyConnected(nn.Module, ABC):
    """Fully connected layers from arrays of one shape to another, optionally with more inputs.

    They have no batch statistics, so pseudo-inputs and data can share them.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        hidden_sizes: Sequence[int] = (256, 256),
        num_labels: int | None = None,
        num_batches: int | None = None,
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.hidden_sizes = tuple(hidden_sizes)
        self.num_labels = num_labels
        self.num_batches = num_batches
        check_sizes(
            in_shape=self.in_shape,
            out_shape=self.out_shape,
            hidden_sizes=self.hidden_sizes,
            num_labels=num_labels,
            num_batches=num_batches,
        )
        inputs = math.prod(self.in_shape) + (num_labels or 0) + (num_batches or 0)
        sizes = (inputs, *self.hidden_sizes, math.prod(self.out_shape))
        self.layers = nn.Sequential(*self._make_layers(sizes))

    @abstractmethod
    def _make_layers(self, sizes: Sequence[int]) -> Sequence[nn.Module]:
        """Return the layers between vectors of these sizes, in order."""

    def forward(
        self,
        x: Float[Tensor, "..."],
        labels: Float[Tensor, "B C"] | None = None,
        batches: Float[Tensor, "B C"] | None = None,
    ) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *out_shape)`.

        Args:
            x: The inputs.
            labels: The share of each label in each input, one-hot if it is known, where B is the
                last batch dimension.
            batches: The share of each batch in each input; equal shares if it is unknown.
        """
        x = flat_inputs(x, self.in_shape, self.num_labels, labels)
        if self.num_batches is not None:
            if batches is None:
                batches = x.new_full((self.num_batches,), 1 / self.num_batches)
            x = torch.cat([x, batches.expand(*x.shape[:-1], -1)], -1)
        out: Tensor = self.layers(x)
        return out.reshape(*x.shape[:-1], *self.out_shape)


class MLP(FullyConnected):
    """Fully connected layers with SiLU between them, from arrays of one shape to another.

    It has no batch statistics, so pseudo-inputs and data can share it.

    Args:
        in_shape: The shape of one input.
        out_shape: The shape of one output.
        hidden_sizes: The widths of the hidden layers.
        num_labels: The number of labels C, for an encoder or decoder of labelled data, with one
            label per input; None takes no labels.
        num_batches: The number of batches in which data were measured, or None.

    Raises:
        ValueError: If a shape, a width or the number of labels or of batches is below one.

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

    def _make_layers(self, sizes: Sequence[int]) -> Sequence[nn.Module]:
        pairs = itertools.pairwise(sizes)
        return [layer for pair in pairs for layer in (nn.Linear(*pair), nn.SiLU())][:-1]


def check_sizes(**given: Sequence[int] | int | None) -> None:
    """Refuse shapes, widths, and numbers of labels and batches below one."""
    sizes = {
        name: (one,) if isinstance(one, int) else one
        for name, one in given.items()
        if one is not None
    }
    if any(size < 1 for entries in sizes.values() for size in entries):
        got = [f"{name}={tuple(entries)}" for name, entries in sizes.items()]
        raise ValueError(
            f"expected sizes of at least one, got {', '.join(got[:-1])} and {got[-1]}."
        )


def batch_shape(x: Tensor, in_shape: Sequence[int]) -> Size:
    """Return the batch shape of inputs, `(*batch, *in_shape)`, or refuse their shape."""
    batch = Size(x.shape[: x.dim() - len(in_shape)])  # a plain tuple for some subclasses
    if tuple(x.shape[len(batch) :]) != tuple(in_shape):
        raise ValueError(
            f"expected inputs of shape (*batch, {', '.join(map(str, in_shape))}), "
            f"got {tuple(x.shape)}."
        )
    return batch


def flat_inputs(
    x: Tensor, in_shape: Sequence[int], num_labels: int | None, labels: Tensor | None
) -> Tensor:
    """Return inputs as vectors, `(*batch, D)`, or `(*batch, D + C)` with labels appended.

    Labels are required if and only if a network takes them: the share of each label in each input,
    `(B, C)`, where B is the last batch dimension.
    """
    batch = batch_shape(x, in_shape)
    if (labels is None) != (num_labels is None):
        raise ValueError(
            f"expected labels if and only if num_labels is given, got num_labels={num_labels} and "
            f"{'no labels' if labels is None else 'labels'}."
        )
    x = x.reshape(*batch, math.prod(in_shape))
    if labels is None:
        return x
    if labels.shape[:-1] != batch[-1:]:
        raise ValueError(
            f"expected a label for each of {batch[-1] if batch else 1} inputs, "
            f"got {tuple(labels.shape[:-1])}."
        )
    return torch.cat([x, labels.expand(*batch, -1)], -1)
