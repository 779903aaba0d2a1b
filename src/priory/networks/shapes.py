"""What networks between arrays of fixed shapes share."""

import math
from collections.abc import Sequence

import torch
from torch import Size, Tensor


def check_sizes(num_labels: int | None = None, **sizes: Sequence[int]) -> None:
    """Check that shapes and widths, and the number of labels if there is one, are at least one.

    Raises:
        ValueError: If one is not.

    """
    if num_labels is not None:
        sizes["num_labels"] = (num_labels,)
    if any(size < 1 for entries in sizes.values() for size in entries):
        got = [f"{name}={tuple(entries)}" for name, entries in sizes.items()]
        raise ValueError(
            f"expected sizes of at least one, got {', '.join(got[:-1])} and {got[-1]}."
        )


def batch_shape(x: Tensor, in_shape: Sequence[int]) -> Size:
    """Return the batch shape of inputs, `(*batch, *in_shape)`.

    Raises:
        ValueError: If the inputs have another shape.

    """
    batch = x.shape[: x.dim() - len(in_shape)]
    if x.shape[len(batch) :] != tuple(in_shape):
        raise ValueError(
            f"expected inputs of shape (*batch, {', '.join(map(str, in_shape))}), "
            f"got {tuple(x.shape)}."
        )
    return batch


def flat_inputs(
    x: Tensor, in_shape: Sequence[int], num_labels: int | None, labels: Tensor | None
) -> Tensor:
    """Return inputs as vectors, `(*batch, D)`, or `(*batch, D + C)` with the labels beside them.

    Args:
        x: Inputs, `(*batch, *in_shape)`.
        in_shape: The shape of one input.
        num_labels: The number of labels C; None without.
        labels: The share of each label in each input, `(B, C)`, where B is the last dimension of
            the batch.

    Raises:
        ValueError: If the inputs or the labels have another shape, or there are labels for a
            network that takes none, or none for one that does.

    """
    batch = batch_shape(x, in_shape)
    if (labels is None) != (num_labels is None):
        raise ValueError(
            f"expected labels just where num_labels is given, got num_labels={num_labels} "
            f"and {'no labels' if labels is None else 'labels'}."
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
