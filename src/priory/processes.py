"""Several processes that divide work among them, with torch.distributed."""

from functools import reduce
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Processes:
    """The processes among which work is divided.

    Evaluation and `fit_prior` accept them as `processes=`: every process makes the same call with
    the same data and does its part, and each gets the same result as a single process would, up to
    rounding. Nothing is divided unless requested, so one process of a group may evaluate a model
    while the others do not. If a call is divided, all processes must make it, because they wait for
    each other.

    Args:
        group: A group of torch.distributed; None for the default one, or for only this process if
            torch.distributed is not initialised.

    Attributes:
        group: The group.
        rank: The rank of this process, from 0.
        count: The number of processes.

    Examples:
        >>> from priory.processes import Processes
        >>> processes = Processes()
        >>> processes.rank, processes.count, processes.share(10)
        (0, 1, slice(0, 10, None))
    """

    def __init__(self, group: Any = None) -> None:
        shared = dist.is_available() and dist.is_initialized()
        self.group = group
        self.rank, self.count = (
            (dist.get_rank(group), dist.get_world_size(group)) if shared else (0, 1)
        )

    @classmethod
    def alone(cls) -> "Processes":
        """Return only this process, whether or not it is in a group."""
        alone = cls.__new__(cls)
        alone.group, alone.rank, alone.count = None, 0, 1
        return alone

    def share(self, total: int) -> slice:
        """Return this process's rows out of `total`."""
        return self._shares(total)[self.rank]

    def every(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all processes, with the same shape, in order: `(P, *shape)`."""
        if self.count == 1 or not tensor.numel():
            return tensor.unsqueeze(0).expand(self.count, *tensor.shape)
        sent = self._sent(tensor)
        received = sent.new_empty(self.count, *sent.shape)
        dist.all_gather(list(received.unbind(0)), sent, group=self.group)
        return received.to(tensor.device)

    def gather(self, tensor: Tensor, total: int | None = None) -> Tensor:
        """Return the rows of all processes in order.

        Args:
            tensor: The rows of this process, `(n, ...)`.
            total: The total number of rows, if each process has its `share`; otherwise None.
        """
        if self.count == 1:
            return tensor
        if total is None:
            sizes = self.every(torch.tensor(len(tensor), device=tensor.device)).tolist()
        else:
            sizes = [rows.stop - rows.start for rows in self._shares(total)]
        padded = tensor.new_zeros(max(sizes), *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        parts = zip(self.every(padded), sizes, strict=True)
        return torch.cat([part[:size] for part, size in parts])

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of the tensors of all processes."""
        if self.count == 1 or not tensor.numel():
            return tensor
        sent = self._sent(tensor).clone()
        dist.all_reduce(sent, group=self.group)
        return sent.to(tensor.device)

    def sum_in_place(self, *tensors: Tensor) -> None:
        """Replace tensors with their sums over the processes, in one message."""
        if self.count == 1:
            return
        dtype = reduce(torch.promote_types, (t.dtype for t in tensors), torch.float32)
        sums = self.sum(torch.cat([t.detach().flatten().to(dtype) for t in tensors]))
        for tensor, part in zip(tensors, sums.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    @torch.no_grad()
    def copy_first(self, *tensors: Tensor) -> None:
        """Replace tensors with those of the first process."""
        for tensor in tensors if self.count > 1 else ():
            tensor.copy_(self.every(tensor)[0])

    def get_in_step(self, device: torch.device) -> None:
        """Synchronise torch's generators, also on a device, with those of the first process."""
        if self.count == 1:
            return
        torch.set_rng_state(self.every(torch.get_rng_state())[0])
        if device.type != "cpu":
            module = torch.get_device_module(device)
            module.set_rng_state(self.every(module.get_rng_state(device))[0], device)

    def _shares(self, total: int) -> list[slice]:
        ends = [total * rank // self.count for rank in range(self.count + 1)]
        return [slice(*pair) for pair in pairwise(ends)]

    def _sent(self, tensor: Tensor) -> Tensor:
        """Return a tensor that can be sent: NCCL only sends from GPU memory."""
        tensor = tensor.detach().contiguous()
        return tensor.cuda() if dist.get_backend(self.group) == "nccl" else tensor
