"""What a likelihood says of data and makes of them, and what it is shown of the data."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from priory.arrays import Array, as_tensor, to_numpy
from priory.blockwise import blocks
from priory.networks.data_range import DataRange
from priory.networks.gaussian_encoder import GaussianEncoder, TransformName
from priory.suggestions import exact

Spans = Sequence[Sequence[Any]]
"""Blocks of columns, side by side: `(kind, start, stop)` of each, in order."""

GREY_LEVELS = 256  # whole numbers below are grey levels, beyond they are counts


@dataclass(frozen=True)
class Observed:
    """Data, what was observed of them, and what was said of them.

    Attributes:
        x: The data, `(N, *data_shape)`.
        low: The smallest value.
        high: The largest value.
        whole: Whether all values are whole numbers.
        num_values: The number of values V, where it was given.
        spans: The blocks of columns, where they were given.
        exposure: The exposure of each example, `(N,)`; or `"total"` for its total, or `"none"`; by
            default the total, where none is zero.
        batch_label: The batch of each example, `(N,)`, where there are batches.
    """

    x: Tensor
    low: float
    high: float
    whole: bool
    num_values: int | None
    spans: Spans | None
    exposure: Tensor | Literal["total", "none"] | None = None
    batch_label: Tensor | None = None

    @property
    def only_counts(self) -> bool:
        """Whether the data are a table whose columns were all given as counts."""
        return bool(self.spans) and all(kind == "count" for kind, _, _ in self.spans or ())

    @property
    def counts(self) -> bool:
        """Whether all values are whole numbers from zero on."""
        return self.whole and self.low >= 0


@dataclass(frozen=True)
class Likelihood(ABC):
    """A likelihood for data, with the reason for it.

    Attributes:
        why: What was observed of the data, or that it was asked for.
    """

    name: ClassVar[str]
    """What to ask for it by."""
    decoder: ClassVar[type[nn.Module]]
    """The class of the decoders that have it."""
    advice: ClassVar[str]
    """What to do with data outside the support, in a few words."""

    why: str

    @property
    @abstractmethod
    def data_range(self) -> DataRange:
        """The smallest and the largest value of an example, as encoders and priors want it."""

    @property
    def transform(self) -> TransformName:
        """What data go through on their way into the encoder."""
        return "linear"

    @property
    @abstractmethod
    def support(self) -> str:
        """The values an example can take, in words."""

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """The shape of what the decoder's network gives for each dimension of an example."""
        return ()

    @abstractmethod
    def allowed(self, x: Tensor) -> Tensor:
        """Return which values, `(N, *data_shape)`, lie in the support."""

    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> nn.Module:
        """Return a decoder with this likelihood, whose attributes are the decoder's arguments.

        Args:
            network: A module from z, `(*batch, L)`, to `(*batch, *data_shape, *pixel_shape)`.
            data_shape: The shape of one example.
        """
        facts = {"data_shape": data_shape, "data_range": self.data_range, **vars(self)}
        takes = inspect.signature(self.decoder).parameters
        return self.decoder(network, **{name: facts[name] for name in facts if name in takes})

    @classmethod
    @abstractmethod
    def suits(cls, observed: Observed) -> str | None:
        """Return why this is the likelihood that data ask for; None if it is not."""

    @classmethod
    @abstractmethod
    def from_data(cls, observed: Observed, why: str) -> "Likelihood":
        """Return this likelihood with what it takes from the data."""

    def __str__(self) -> str:
        return f"{self.name} likelihood ({self.why})"

    def make_encoder(self, network: nn.Module) -> GaussianEncoder:
        """Return an encoder that maps such data to [-1, 1] before its network."""
        return GaussianEncoder(network, self.data_range, self.transform)

    def check(self, x: Tensor | Array, what: str = "the data") -> None:
        """Check that data lie in the support, a block at a time.

        Args:
            x: Data, `(N, *data_shape)`, of any type.
            what: What to call them in an error.

        Raises:
            ValueError: If a value is outside the support; the first such value is named.
        """
        for start, part in float_blocks(as_tensor(x)):
            outside = ~self.allowed(part)
            if outside.any():
                row, *where = outside.nonzero()[0].tolist()
                value = exact(to_numpy(part[(row, *where)])[()])
                raise ValueError(
                    f"expected {self.support} in {what} ({self.name} likelihood), got "
                    f"{value} in example {start + row} at {where}; {self.advice}."
                )


@dataclass(frozen=True)
class LevelLikelihood(Likelihood):
    """A likelihood of the whole numbers from 0 to V − 1.

    Attributes:
        num_values: The number of values V.
    """

    num_values: int

    @property
    def data_range(self) -> tuple[float, float]:
        """From 0 to V − 1."""
        return (0.0, float(self.num_values - 1))

    @property
    def support(self) -> str:
        """The values, in words."""
        return f"whole numbers from 0 to {self.num_values - 1}"

    def allowed(self, x: Tensor) -> Tensor:
        """Return which values are whole numbers from 0 to V − 1."""
        return whole_from_zero(x, self.num_values)


def observe(x: Tensor, num_values: int | None = None, spans: Spans | None = None) -> Observed:
    """Look through data, a block at a time; there must be some, and none NaN or infinite."""
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"expected data of shape (N, ...) with at least one value, got shape {tuple(x.shape)}."
        )
    low, high, whole = float("inf"), float("-inf"), True
    for start, part in float_blocks(x):
        finite = part.isfinite()
        if not finite.all():
            row, *where = (~finite).nonzero()[0].tolist()
            raise ValueError(
                f"expected finite values, got {part[(row, *where)]:g} in example {start + row} at "
                f"{where}; remove or fill in such values first."
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        whole = whole and bool((part == part.round()).all())
    low, high = torch.tensor([low, high], dtype=torch.float32).tolist()  # as batches are read
    return Observed(x, low, high, whole, num_values, spans)


def float_blocks(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Give blocks of data as floating point, each with the position of its first example.

    Data may be of any type and lie in a file that is mapped into memory: no more than one block is
    ever converted.
    """
    for rows in blocks(len(x), math.prod(x.shape[1:])):
        part = x[rows]
        if part.dtype not in (torch.float32, torch.float64):  # float32 holds what 16 bits hold
            part = part.float() if part.element_size() <= 2 else part.double()
        yield rows.start, part


def totals(x: Tensor) -> Tensor:
    """Return the total of each example, `(N,)`, in float64."""
    return torch.cat([part.flatten(1).sum(1, dtype=torch.float64) for _, part in float_blocks(x)])


def whole_from_zero(x: Tensor, num_values: float = float("inf")) -> Tensor:
    """Return which values are whole numbers from 0 to V − 1."""
    return (x >= 0) & (x < num_values) & (x == x.round())
