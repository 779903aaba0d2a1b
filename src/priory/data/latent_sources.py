"""Latents from any source: rows with random access, or rows that arrive in batches."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from priory.arrays import as_points, as_tensor, to_numpy
from priory.data.latent_files import open_shards
from priory.data.latent_rows import Reservoir, Rows, block_size, hashed, mixed
from priory.data.splits import mix

CHUNK = 64
"""The number of adjacent rows that are read together: 4 KiB, a page of memory, with 16 dimensions.
"""

GROUP = 10
"""One row in this many is held out."""

Block = tuple[Rows, Tensor]
"""Rows, and whether each is held out, `(n,)`."""


class LatentSource(ABC):
    """Latents that are read in blocks, of which one in ten is held out.

    Args:
        seed: Determines which are held out.
        hold_out: Whether any are held out.

    Attributes:
        once: Whether they can be read only once.
    """

    once = False

    def __init__(self, seed: int, hold_out: bool) -> None:
        self.seed, self.hold_out = seed, hold_out

    @abstractmethod
    def blocks(self, order: torch.Generator) -> Iterator[Block]:
        """Read all of them once, in blocks."""

    @abstractmethod
    def some(self, most: int) -> tuple[Rows, Rows, int]:
        """Return a random selection of those to fit, one of those held out, and the total number.

        If they can be read only once, the selections come from the first block, which is read
        again.
        """

    def batches(
        self, size: int, seed: int, device: torch.device, dtype: torch.dtype
    ) -> Iterator[Rows]:
        """Read those to fit once, shuffled, in batches.

        Args:
            size: The number of latents in a batch.
            seed: The seed of the order.
            device: The device of the batches; whole blocks are moved to it.
            dtype: The dtype of the batches.
        """
        order = torch.Generator().manual_seed(seed)
        kept = (rows[~held.to(rows.z.device)] for rows, held in self.blocks(order))
        for block in mixed(kept, size, order):
            moved = block.to(device, dtype)
            for start in range(0, len(moved), size):
                yield moved[start : start + size]


class StoredLatents(LatentSource):
    """Latents with random access: a sequence of arrays in memory or on disk.

    Chunks of adjacent rows are read in a new random order in each epoch, and blocks of thousands of
    chunks are shuffled. So sorted shards are mixed, the disk is read page by page, and nothing as
    long as the data is created.

    Args:
        shards: The latents, each array `(n, *latent_shape)`.
        scales: The standard deviations, in arrays of the same shapes; None for points.
        labels: The labels of all, `(N,)`.
        seed: Determines which are held out.
        hold_out: Whether any are held out.
    """

    def __init__(
        self,
        shards: Sequence[Any],
        scales: Sequence[Any] | None = None,
        labels: Tensor | None = None,
        seed: int = 0,
        hold_out: bool = True,
    ) -> None:
        super().__init__(seed, hold_out)
        self.shards, self.scales, self.labels = shards, scales, labels
        self.ends = np.cumsum([0, *(len(shard) for shard in shards)])
        _check_alike(shards, scales)
        if labels is not None and len(labels) != len(self):
            raise ValueError(
                f"expected a label for each of {len(self)} latents, got {len(labels)}."
            )

    def __len__(self) -> int:
        return int(self.ends[-1])

    def read(self, index: NDArray[np.int64]) -> Rows:
        """Return the rows at some positions, in ascending order."""
        z = self._read(self.shards, index)
        scale = None if self.scales is None else self._read(self.scales, index)
        labels = None if self.labels is None else self.labels[torch.from_numpy(index)]
        return Rows(z, scale, labels).checked(index)

    def blocks(self, order: torch.Generator) -> Iterator[Block]:
        """Read all of them once, in a random order of chunks."""
        chunks = torch.randperm(-(-len(self) // CHUNK), generator=order).numpy()
        number = max(1, block_size(int(np.prod(self.shards[0].shape[1:]))) // CHUNK)
        for start in range(0, len(chunks), number):
            some = np.sort(chunks[start : start + number])
            index = (some[:, None] * CHUNK + np.arange(CHUNK)).reshape(-1)
            index = index[index < len(self)]
            yield self.read(index), torch.from_numpy(self._is_held_out(index))

    def some(self, most: int) -> tuple[Rows, Rows, int]:
        """Return a random selection of those to fit, and one of those held out."""
        draw = random.Random(mix(self.seed, len(self)))

        def choose(number: int, among: int) -> NDArray[np.int64]:
            return np.sort(np.array(draw.sample(range(among), min(number, among)), dtype=np.int64))

        groups = choose(most if self.hold_out else 0, -(-len(self) // GROUP))
        held = groups * GROUP + self._place(groups)
        fitted = choose(most * GROUP // (GROUP - 1) + GROUP, len(self))
        fitted = fitted[~self._is_held_out(fitted)]
        return self.read(fitted), self.read(held[held < len(self)]), len(self)

    def _is_held_out(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (index % GROUP == self._place(index // GROUP)) & self.hold_out  # type: ignore[no-any-return]

    def _place(self, group: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which row of each group is held out; the last group may be shorter."""
        size = np.uint64(max(1, min(GROUP, len(self))))
        return (hashed(group.astype(np.uint64), self.seed) % size).astype(np.int64)

    def _read(self, arrays: Sequence[Any], index: NDArray[np.int64]) -> Tensor:
        bounds = np.searchsorted(index, self.ends)
        parts = []
        for array, start, (low, high) in zip(arrays, self.ends, pairwise(bounds), strict=False):
            rows: Any = index[low:high] - start
            if isinstance(array, Tensor):
                rows = torch.from_numpy(rows).to(array.device)
            parts.append(as_points(array[rows]).flatten(1))
        return torch.cat(parts)


class StreamedLatents(LatentSource):
    """Latents that arrive in batches, shuffled within those in memory at a time.

    Their values determine which are held out, so a loader may shuffle.

    Args:
        batches: An iterable that is iterated once per epoch. Each batch is latents `(n, L)`, or a
            tuple of latents and annotations: standard deviations `(n, L)`, labels `(n,)`.
        seed: Determines which are held out.
        hold_out: Whether any are held out.
    """

    def __init__(self, batches: Iterable[Any], seed: int = 0, hold_out: bool = True) -> None:
        super().__init__(seed, hold_out)
        self.given = batches
        self.once = iter(batches) is batches
        self._share, self._least = 1 / GROUP, 1.0
        self._first: list[Block] = []
        self._rest = self._walk()
        self._chosen: list[Reservoir] = []

    def blocks(self, order: torch.Generator) -> Iterator[Block]:
        """Iterate over the batches once.

        Raises:
            ValueError: If a batch does not contain latents, or there are none (left).
        """
        if not self.once:
            yield from self._walk()
            return
        yield from self._first
        self._first = []
        for block in self._rest:
            self._choose(block)
            yield block

    def some(self, most: int) -> tuple[Rows, Rows, int]:
        """Return a random selection of those to fit, and one of those held out."""
        number = 0
        self._first = []
        self._choose_anew(most)
        for block in self._rest if self.once else self._walk():
            self._choose(block)
            number += len(block[0])
            if self.once:
                self._first.append(block)
                if number >= block_size(block[0].z.shape[1]):
                    break
        if self.hold_out and not len(self.chosen[1]):  # of few
            self._share = self._least
            self._first = [(rows, self._is_held_out(rows.z)) for rows, _ in self._first]
            self._choose_anew(most)
            for block in self._first if self.once else self._walk():
                self._choose(block)
        return self.chosen

    @property
    def chosen(self) -> tuple[Rows, Rows, int]:
        """Random selections of both kinds among the rows read so far, and their number."""
        fitted, held = self._chosen
        return fitted.rows, held.rows, fitted.met + held.met

    def _choose_anew(self, most: int) -> None:
        draw = torch.Generator().manual_seed(mix(self.seed, most))
        self._chosen = [Reservoir(most, draw), Reservoir(most, draw)]

    def _choose(self, block: Block) -> None:
        rows, held = block[0], block[1].to(block[0].z.device)
        for reservoir, part in zip(self._chosen, (~held, held), strict=True):
            reservoir.add(rows[part])

    def _walk(self) -> Iterator[Block]:
        kind, start = "", 0
        for batch in self.given:
            rows = Rows.of(batch)
            kind = kind or rows.kind
            if rows.kind != kind:
                raise ValueError(f"expected all batches with {kind}, got one with {rows.kind}.")
            if len(rows):
                rows.checked(np.arange(start, start + len(rows)))
                yield rows, self._is_held_out(rows.z)
            start += len(rows)
        if not start:
            raise ValueError(
                "expected batches of latents, got none; give an iterable that can be read again "
                "in each epoch, such as a list or a DataLoader, or an iterator that is not "
                "exhausted."
            )

    def _is_held_out(self, z: Tensor) -> Tensor:
        if not self.hold_out:
            return torch.zeros(len(z), dtype=torch.bool)
        bits = to_numpy(z).astype(np.float32).view(np.uint32).astype(np.uint64)
        factors = hashed(np.arange(bits.shape[1], dtype=np.uint64), self.seed) | np.uint64(1)
        places = hashed((bits * factors).sum(1), self.seed) / 2**64
        self._least = min(self._least, float(places.min()))
        return torch.from_numpy(places <= self._share)


def open_latents(
    latents: Any,
    scales: Any = None,
    labels: Tensor | None = None,
    seed: int = 0,
    hold_out: bool = True,
) -> LatentSource:
    """Open latents from any source.

    Args:
        latents: An array or a tensor `(N, *latent_shape)`; the path of a `.npy` or `.parquet` file,
            or of a folder of such files; or an iterable of batches, as for `StreamedLatents`.
        scales: The standard deviations of the posteriors, an array or a path of the same shape.
        labels: The label of each, `(N,)`.
        seed: Determines which are held out.
        hold_out: Whether any are held out.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If they have a different type.
        ValueError: If the shapes do not match, or a file cannot be read.

    Examples:
        >>> import numpy as np
        >>> from priory.data.latent_sources import open_latents
        >>> fitted, held_out, number = open_latents(np.zeros((200, 2))).some(1000)
        >>> len(fitted), len(held_out), number
        (180, 20, 200)
    """
    shards = _shards_of(latents)
    if shards is not None:
        spread = None if scales is None else _shards_of(scales)
        if scales is not None and spread is None:
            raise TypeError(
                "expected scales as an array or the path of a file or a folder, like the latents, "
                f"got {type(scales).__name__}."
            )
        return StoredLatents(shards, spread, labels, seed, hold_out)
    if not hasattr(latents, "__iter__"):
        advice = "; wrap it in a DataLoader" * hasattr(latents, "__getitem__")
        raise TypeError(
            "expected latents as an array, the path of a file or a folder, or an iterable of "
            f"batches, got {type(latents).__name__}{advice}."
        )
    if scales is not None or labels is not None:
        name = "labels" if scales is None else "scales"
        raise ValueError(
            f"expected {name} in the batches of a {type(latents).__name__}, as (z, {name}), got "
            f"{name}= as an argument."
        )
    return StreamedLatents(latents, seed, hold_out)


def _shards_of(latents: Any) -> Sequence[Any] | None:
    """Return latents with random access as arrays; None if they come in batches."""
    if isinstance(latents, str | Path):
        return open_shards(latents)
    if isinstance(latents, Tensor | np.ndarray):
        return [latents]
    if hasattr(latents, "to_numpy") or hasattr(latents, "to_pandas"):
        return [as_tensor(latents)]
    if hasattr(latents, "shape") and hasattr(latents, "__getitem__"):  # from HDF5 or JAX
        return [latents]
    first = latents[0] if isinstance(latents, list) and latents else None
    return [as_tensor(latents)] if isinstance(first, list | int | float) else None


def _check_alike(shards: Sequence[Any], scales: Sequence[Any] | None) -> None:
    shapes = [tuple(shard.shape) for shard in shards]
    for shape in shapes:
        if len(shape) < 2 or shape[1:] != shapes[0][1:]:
            advice = "; for a single dimension give z[:, None]" if len(shape) == 1 else ""
            raise ValueError(f"expected latents of shape (N, L), got {shape}{advice}.")
    if scales is not None and (spreads := [tuple(scale.shape) for scale in scales]) != shapes:
        raise ValueError(
            f"expected a scale for each latent, in arrays of shape {', '.join(map(str, shapes))}, "
            f"got {', '.join(map(str, spreads))}."
        )
