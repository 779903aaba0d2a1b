"""Some of the data, read when they are asked for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priory.data.binarise import binarise

READ_AT_ONCE = 4096


@dataclass(frozen=True)
class Part:
    """Some of the data of a source, which may lie on disk: they are read when asked for.

    Attributes:
        values: The data of the whole source, `(M, *data_shape)`, of any real type.
        index: The positions in it of the data of this part, `(N,)`.
        labels: The class of each datum of this part, `(N,)`; None where there are none.
        grey: Where the data are grey values to be binarised anew each time they are read, the
            largest of them: a value v is read as one with probability v / grey.

    """

    values: Tensor
    index: Tensor
    labels: Tensor | None = None
    grey: float | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one datum."""
        return tuple(self.values.shape[1:])

    def read(self, positions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the data at some positions of this part, in float32, `(B, *data_shape)`.

        Args:
            positions: Positions in this part, `(B,)`.
            generator: What binarises grey values; by default that of torch.

        """
        x = self.values[self.index[positions]].float()
        if self.grey is None:
            return x
        return binarise(x / self.grey, generator)

    def tensor(self) -> Tensor:
        """Return all data of this part in float32, `(N, *data_shape)`; grey values as they are.

        Grey values to be binarised are returned as the probabilities of a one.
        """
        whole = torch.empty(len(self), *self.data_shape)
        for rows in torch.arange(len(self)).split(READ_AT_ONCE):
            whole[rows] = self.values[self.index[rows]].float()
        return whole if self.grey is None else whole / self.grey

    def binarised(self, grey: float, seed: int) -> "Part":
        """Return this part with every value v drawn, once, as one with probability v / grey.

        Args:
            grey: The largest value.
            seed: The seed of the draw.

        """
        generator = torch.Generator().manual_seed(seed)
        drawn = Part(self.values, self.index, self.labels, grey)
        bits = torch.empty(len(self), *self.data_shape, dtype=torch.uint8)
        for rows in torch.arange(len(self)).split(READ_AT_ONCE):
            bits[rows] = drawn.read(rows, generator).to(torch.uint8)
        return Part(bits, torch.arange(len(self)), self.labels)
