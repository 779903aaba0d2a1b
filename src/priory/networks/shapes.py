"""What networks between arrays of fixed shapes share."""

from collections.abc import Sequence

from torch import Size, Tensor


def check_sizes(**sizes: Sequence[int]) -> None:
    """Check that shapes and widths have no entry below one.

    Raises:
        ValueError: If one has.

    """
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
