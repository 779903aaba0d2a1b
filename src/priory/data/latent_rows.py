"""Rows of latents: their annotations, how they are shuffled, and random selections of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from priory.arrays import as_points, as_tensor
from priory.blockwise import NUMBERS
from priory.data.splits import mix

LEAST = 1024
"""The minimum number of rows of a block, however many dimensions they have."""


@dataclass(frozen=True)
class Rows:
    """Some latents and their annotations.

    Attributes:
        z: The latents, or the means of their posteriors, `(n, L)`.
        scale: The standard deviations of the posteriors, `(n, L)`; None for points.
        labels: The label of each, `(n,)`, or None.
    """

    z: Tensor
    scale: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: Tensor | slice) -> "Rows":
        return Rows(*(None if part is None else part[rows] for part in self._parts))  # type: ignore[arg-type]

    @classmethod
    def of(cls, batch: Any) -> "Rows":
        """Return a batch from a loader: z, or a tuple of z, scales and labels.

        Raises:
            TypeError: If it does not contain numbers.
            ValueError: If it does not contain latents, or contains anything else.
        """
        parts = [as_tensor(p) for p in (batch if isinstance(batch, tuple | list) else (batch,))]
        z = as_points(parts[0]) if parts else torch.zeros(0)
        scale = labels = None
        if z.dim() < 2:
            raise ValueError(
                f"expected batches of latents, (n, L), got one of shape {tuple(z.shape)}; a "
                "DataLoader makes batches from single latents."
            )
        for part in parts[1:]:
            if part.shape == z.shape and scale is None:
                scale = as_points(part).flatten(1)
            elif part.shape == z.shape[:1] and not part.is_floating_point() and labels is None:
                labels = part.long()
            else:
                raise ValueError(
                    f"expected latents of shape {tuple(z.shape)} with standard deviations of the "
                    f"same shape, or with whole numbers as labels, got {part.dtype} of shape "
                    f"{tuple(part.shape)}; give batches of (z, scale), or only of z."
                )
        return cls(z.flatten(1), scale, labels)

    @classmethod
    def joined(cls, several: Sequence["Rows"]) -> "Rows":
        """Return several, concatenated."""
        if len(several) == 1:
            return several[0]
        columns = zip(*(rows._parts for rows in several), strict=True)
        return cls(*(None if c[0] is None else torch.cat(c) for c in columns))  # type: ignore[arg-type]

    def to(self, device: torch.device, dtype: torch.dtype) -> "Rows":
        """Return the same on a device and in a dtype, without gradients."""
        z, scale = (None if t is None else t.detach().to(device, dtype) for t in self._parts[:2])
        labels = None if self.labels is None else self.labels.to(device)
        return Rows(z, scale, labels)  # type: ignore[arg-type]

    def draw(self) -> Tensor:
        """Draw one z from each posterior, `(n, L)`."""
        return self.z if self.scale is None else torch.normal(self.z, self.scale)

    def checked(self, index: NDArray[np.int64]) -> "Rows":
        """Return the same, after checking that the numbers can be used for fitting.

        Args:
            index: The positions of the rows in the data.

        Raises:
            ValueError: If a number is not finite, or a scale is below zero.
        """
        _check(self.z, self.z.isfinite(), index, "finite latents", "remove such rows first")
        if self.scale is not None:
            inside = self.scale.isfinite() & (self.scale >= 0)
            advice = "for log-variances, give exp(log_variance / 2)"
            _check(self.scale, inside, index, "standard deviations for scales", advice)
        return self

    @property
    def kind(self) -> str:
        """What the rows contain, in words."""
        beside = [name for name in ("scale", "labels") if getattr(self, name) is not None]
        return " and ".join([f"{self.z.shape[1]} latent dimensions", *beside])

    @property
    def _parts(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self.z, self.scale, self.labels


class Reservoir:
    """A random selection, of limited size, from rows that pass by.

    Reference:
        Efraimidis & Spirakis, *Weighted random sampling with a reservoir*, 2006; these are its keys
        for equal weights.
    """

    def __init__(self, most: int, draw: torch.Generator) -> None:
        self.most, self.draw, self.met = most, draw, 0
        self.keys = torch.zeros(0)
        self._rows: list[Rows] = []

    def add(self, rows: Rows) -> None:
        """Process more rows."""
        self.met += len(rows)
        keys = torch.rand(len(rows), generator=self.draw)
        if len(self.keys) == self.most:  # most rows are not selected
            better = keys > self.keys[-1]
            keys, rows = keys[better], rows[better.to(rows.z.device)]
        joined = Rows.joined([*self._rows, rows])
        self.keys, chosen = torch.cat([self.keys, keys]).sort(descending=True)
        self.keys, chosen = self.keys[: self.most], chosen[: self.most]
        self._rows = [joined[chosen.to(rows.z.device)]]

    @property
    def rows(self) -> Rows:
        """Those chosen."""
        return self._rows[0]


def block_size(numbers_each: int) -> int:
    """Return the number of rows of a block: 16 MiB of float32, or a thousand."""
    return max(LEAST, NUMBERS // max(1, numbers_each))


def mixed(blocks: Iterable[Rows], size: int, order: torch.Generator) -> Iterator[Rows]:
    """Shuffle blocks with earlier rows: half of the rows in memory are passed on, the rest wait.

    Args:
        blocks: The blocks.
        size: The number of rows in a batch; only whole batches are passed on, except at the end.
        order: The random generator of the order.
    """
    waiting: list[Rows] = []
    for block in blocks:
        most = max(block_size(block.z.shape[1]), 4 * size)
        for start in range(0, len(block), most):
            waiting.append(block[start : start + most])
            if sum(map(len, waiting)) >= most:
                every = _shuffled(Rows.joined(waiting), order)
                half = max(1, len(every) // 2 // size) * size
                yield every[:half]
                waiting = [every[half:]]
    if sum(map(len, waiting)):
        yield _shuffled(Rows.joined(waiting), order)


def hashed(x: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return a hash of whole numbers, uniform over 64 bits.

    Reference:
        Steele, Lea & Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014; this is
        its SplitMix64.
    """
    x = x + np.uint64(mix(seed)) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _shuffled(rows: Rows, order: torch.Generator) -> Rows:
    return rows[torch.randperm(len(rows), generator=order).to(rows.z.device)]


def _check(
    values: Tensor, good: Tensor, index: NDArray[np.int64], expected: str, advice: str
) -> None:
    if not good.all():
        row, at = (~good).nonzero()[0].tolist()
        raise ValueError(
            f"expected {expected}, got {values[row, at].item():g} in row {index[row]}; {advice}."
        )
