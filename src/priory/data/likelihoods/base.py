"""What a likelihood says of data, and makes of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from priory.data.likelihoods.blocks import blocks
from priory.data.likelihoods.observed import Observed
from priory.networks import GaussianEncoder
from priory.networks.data_range import DataRange
from priory.networks.transforms import TransformName


@dataclass(frozen=True)
class Likelihood(ABC):
    """A likelihood for data, with the reason for it.

    Attributes:
        why: What was seen in the data, or that it was asked for.

    """

    name: ClassVar[str]
    """What to ask for it by."""
    advice: ClassVar[str]
    """What to do with data outside the support, in a few words."""
    transform: ClassVar[TransformName] = "linear"
    """What data go through on their way into the encoder."""

    why: str

    @property
    @abstractmethod
    def data_range(self) -> DataRange:
        """The smallest and the largest value a datum can take, as encoders and priors want it."""

    @property
    @abstractmethod
    def support(self) -> str:
        """The values a datum can take, in words."""

    @property
    @abstractmethod
    def pixel_shape(self) -> tuple[int, ...]:
        """The shape of what the decoder's network gives for each dimension of a datum."""

    @abstractmethod
    def allowed(self, x: Tensor) -> Tensor:
        """Return which values, `(N, *data_shape)`, lie in the support."""

    @abstractmethod
    def make_decoder(self, network: nn.Module, data_shape: Sequence[int]) -> nn.Module:
        """Return a decoder with this likelihood.

        Args:
            network: A module from z, `(*batch, L)`, to `(*batch, *data_shape, *pixel_shape)`.
            data_shape: The shape of one datum.

        """

    @classmethod
    @abstractmethod
    def suits(cls, seen: Observed) -> str | None:
        """Return why this is the likelihood that data ask for; None if it is not."""

    @classmethod
    @abstractmethod
    def from_data(cls, seen: Observed, why: str) -> "Likelihood":
        """Return this likelihood with what it takes from the data."""

    def __str__(self) -> str:
        return f"{self.name} likelihood ({self.why})"

    def make_encoder(self, network: nn.Module) -> GaussianEncoder:
        """Return an encoder that maps such data to [-1, 1] before its network."""
        return GaussianEncoder(network, self.data_range, self.transform)

    def check(self, x: Tensor, what: str = "the data") -> None:
        """Check that data lie in the support, a block at a time.

        Args:
            x: Data, `(N, *data_shape)`, of any type.
            what: What to call them in an error.

        Raises:
            ValueError: If a value is outside the support; the first such value is named.

        """
        for start, part in blocks(x):
            outside = ~self.allowed(part)
            if outside.any():
                row, *where = outside.nonzero()[0].tolist()
                raise ValueError(
                    f"expected {self.support} in {what} ({self.name} likelihood), got "
                    f"{part[(row, *where)]:g} in datum {start + row} at {where}; {self.advice}."
                )


def whole_from_zero(x: Tensor, num_values: float = float("inf")) -> Tensor:
    """Return which values are whole numbers from 0 to V − 1."""
    return (x >= 0) & (x < num_values) & (x == x.round())
