"""The contract of a likelihood, and the facts about data that it depends on."""

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
"""Adjacent blocks of columns, each `(kind, start, stop)`, in order."""

GREY_LEVELS = 256  # whole numbers below this are grey levels, others are counts


@dataclass(frozen=True)
class Observed:
    """Data, facts observed about them, and facts given by the user.

    Attributes:
        x: The data, `(N, *data_shape)`.
        low: The smallest value.
        high: The largest value.
        whole: Whether all values are whole numbers.
        num_values: The number of values V, if given.
        spans: The blocks of columns, if given.
        exposure: The exposure of each example, `(N,)`; or `"total"` for its total, or `"none"`; by
            default the total, unless one is zero.
        batch_label: The batch of each example, `(N,)`, if there are batches.
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
        """Whether the data are a table whose columns are all declared as counts."""
        return bool(self.spans) and all(kind == "count" for kind, _, _ in self.spans or ())

    @property
    def counts(self) -> bool:
        """Whether all values are whole numbers from zero upwards."""
        return self.whole and self.low >= 0


@dataclass(frozen=True)
class Likelihood(ABC):
    """A likelihood for data, with the reason for choosing it.

    Attributes:
        why: The observation about the data, or that it was requested.
    """

    name: ClassVar[str]
    """Its name."""
    decoder: ClassVar[type[nn.Module]]
    """The class of its decoders."""
    advice: ClassVar[str]
    """What to do with data outside the support, in a few words."""

    why: str

    @property
    @abstractmethod
    def data_range(self) -> DataRange:
        """The smallest and the largest value of an example, for encoders and priors."""

    @property
    def transform(self) -> TransformName:
        """The transformation of data before the encoder."""
        return "linear"

    @property
    @abstractmethod
    def support(self) -> str:
        """The possible values of an example, in words."""

    @property
    def pixel_shape(self) -> tuple[int, ...]:
        """The shape of the decoder network's output per dimension of an example."""
        return ()

    @abstractmethod
    def allowed(self, x: Tensor) -> Tensor:
        """Return which values, `(N, *data_shape)`, are in the support."""

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
        """Return the reason if this likelihood suits the data, otherwise None."""

    @classmethod
    @abstractmethod
    def from_data(cls, observed: Observed, why: str) -> "Likelihood":
        """Return this likelihood with the attributes that it takes from the data."""

    def __str__(self) -> str:
        return f"{self.name} likelihood ({self.why})"

    def make_encoder(self, network: nn.Module) -> GaussianEncoder:
        """Return an encoder that maps these data to [-1, 1] before its network."""
        return GaussianEncoder(network, self.data_range, self.transform)

    def check(self, x: Tensor | Array, what: str = "the data") -> None:
        """Check that data are in the support, in blocks.

        Args:
            x: Data, `(N, *data_shape)`, of any dtype.
            what: What to call them in an error message.

        Raises:
            ValueError: If a value is outside the support, naming the first one.
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
    """A likelihood for the whole numbers from 0 to V − 1.

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
    """Inspect data in blocks; they must not be empty, and all values must be finite."""
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
    low, high = torch.tensor([low, high], dtype=torch.float32).tolist()  # like batches
    return Observed(x, low, high, whole, num_values, spans)


def float_blocks(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield blocks of data in floating point, each with the position of its first example.

    Data may have any dtype and be memory-mapped: at most one block is converted at a time.
    """
    for rows in blocks(len(x), math.prod(x.shape[1:])):
        part = x[rows]
        if part.dtype not in (
            torch.float32,
            torch.float64,
        ):  # float32 can represent all 16-bit values
            part = part.float() if part.element_size() <= 2 else part.double()
        yield rows.start, part


def totals(x: Tensor) -> Tensor:
    """Return the total of each example, `(N,)`, in float64."""
    return torch.cat([part.flatten(1).sum(1, dtype=torch.float64) for _, part in float_blocks(x)])


def whole_from_zero(x: Tensor, num_values: float = float("inf")) -> Tensor:
    """Return which values are whole numbers from 0 to V − 1."""
    return (x >= 0) & (x < num_values) & (x == x.round())
