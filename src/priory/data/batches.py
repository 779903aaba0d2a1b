"""Whole tensors in batches."""

from collections.abc import Iterator

import torch
from torch import Tensor


class Batches:
    """Batches of a tensor and the position of each datum, in an order that (seed, epoch) decides.

    Args:
        x: Data, `(N, *data_shape)`.
        batch_size: The size of a batch; the last may be smaller.
        seed: The seed of the order; None keeps the data's own.

    Raises:
        ValueError: If there are no data, or the batch size is below one.

    Examples:
        >>> import torch
        >>> from priory.data import Batches
        >>> [len(x) for x, index in Batches(torch.zeros(10, 2), batch_size=4, seed=0)]
        [4, 4, 2]

    """

    def __init__(self, x: Tensor, batch_size: int, seed: int | None = None) -> None:
        if len(x) == 0 or batch_size < 1:
            raise ValueError(
                f"expected data and batches of at least one, got {len(x)} data and "
                f"batch_size={batch_size}."
            )
        self.x = x
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.seed is None:
            order = torch.arange(len(self.x), device=self.x.device)
            yield from zip(self.x.split(self.batch_size), order.split(self.batch_size), strict=True)
            return
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(len(self.x), generator=generator).to(self.x.device)
        for index in order.split(self.batch_size):
            yield self.x[index], index

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self.epoch = epoch


def mix(*numbers: int) -> int:
    """Mix whole numbers into one seed; their order counts, and zeros at their end do not.

    Examples:
        >>> from priory.data.batches import mix
        >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0)
        (True, False)

    """
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
