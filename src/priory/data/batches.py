"""Data in batches."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from priory.data.splits import ANNOTATIONS, Part, mix


class Batch(NamedTuple):
    """The part of a batch that one process has.

    Attributes:
        x: Its data, `(B, *data_shape)`.
        position: Their positions in the part that they come from, `(B,)`.
        labels: Their labels, `(B,)`, or None.
        start: How many examples of the batch the processes before this one have.
        total: The number of examples in the whole batch.
        exposure: Their exposures, `(B,)`, or None.
        batch_label: The batch that each was measured in, `(B,)`, or None.
    """

    x: Tensor
    position: Tensor
    labels: Tensor | None
    start: int
    total: int
    exposure: Tensor | None = None
    batch_label: Tensor | None = None

    @property
    def annotations(self) -> dict[str, Tensor | None]:
        """The annotations of each example, except its position."""
        return {name: getattr(self, name) for name in ANNOTATIONS}


class Batches:
    """Batches of data in an order determined by (seed, epoch), each read with one indexing.

    With several processes, each takes a slice of every batch. If a batch has fewer examples than
    there are processes, every process gets all of it.

    Args:
        part: The data.
        batch_size: The size of a batch over all processes; the last may be smaller.
        seed: The seed of the order; None keeps the data in order.

    Raises:
        ValueError: If there are no data, or the batch size is below one.

    Examples:
        >>> import torch
        >>> from priory.data import Batches, Source, split
        >>> train = split(Source("zeros", torch.zeros(12, 2))).train
        >>> [len(batch.x) for batch in Batches(train, batch_size=4, seed=0)]
        [4, 4, 2]
    """

    def __init__(self, part: Part, batch_size: int, seed: int | None = None) -> None:
        if len(part) == 0 or batch_size < 1:
            raise ValueError(
                f"expected at least one example and a batch size of at least one, got {len(part)} "
                f"examples and batch_size={batch_size}."
            )
        self.part = part
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.process, self.num_processes = 0, 1

    def __len__(self) -> int:
        return -(-len(self.part) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.arange(len(self.part))
        if self.seed is not None:
            generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
            order = torch.randperm(len(order), generator=generator)
        for step, index in enumerate(order.split(self.batch_size)):
            yield self._share(index, step)

    def _share(self, index: Tensor, step: int) -> Batch:
        part, total = self.part, len(index)
        start, stop = 0, total
        if total >= self.num_processes:
            start = total * self.process // self.num_processes
            stop = total * (self.process + 1) // self.num_processes
        if part.grey is None:
            index = index[start:stop]
            x = part.read(index)
        else:  # the whole batch is drawn, whatever the number of processes
            generator = torch.Generator().manual_seed(mix(self.seed or 0, self.epoch, step))
            x = part.read(index, generator)[start:stop]
            index = index[start:stop]
        annotations = {
            name: None if t is None else t[index] for name, t in part.annotations.items()
        }
        return Batch(x, index, start=start, total=total, **annotations)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch."""
        self.epoch = epoch

    def set_process(self, process: int, num_processes: int) -> None:
        """Set the rank of this process and the number of processes."""
        self.process, self.num_processes = process, num_processes
