"""The contract of a prior."""

import inspect
import reprlib
from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arrays import Array
from priory.networks.calls import Encoder
from priory.networks.context import Context


def title_of(prior: nn.Module) -> str:
    """Return the display name of a prior: its title, or else the name of its class."""
    return str(getattr(prior, "title", type(prior).__name__))


class Prior(nn.Module, ABC):
    """A module whose call returns the prior p(z) as a distribution.

    A prior is called with the encoder, because a VampPrior depends on it; priors that do not need
    it ignore it. The encoder is passed, never stored. The distribution is the cache: ask it for as
    many densities and samples as a step needs, and call the prior again in the next step.

    Every constructor argument is stored as an attribute of the same name, from which a saved prior
    is rebuilt.

    Attributes:
        needs_labels: Whether the prior depends on labels, so that every call needs a context with
            the labels of the examples.
        num_labels: The number of labels that it takes; None if it takes none.
        needs_encoder: Whether it is built from the posteriors of an encoder, so that every call
            needs one.
    """

    takes_context = True
    needs_encoder: bool = False
    needs_labels: bool = False
    num_labels: int | None = None

    @property
    def title(self) -> str:
        """The display name of the prior."""
        return type(self).__name__

    @abstractmethod
    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> Distribution:
        """Return p(z) with event shape `(L,)`, and no batch shape unless a context gives one.

        Args:
            encoder: The module `encoder(x, context=None)` that returns q(z|x).
            context: The examples that the prior is for, and their labels.
        """

    def extra_repr(self) -> str:
        """Return the arguments of the constructor, for printing; long ones are truncated."""
        names = inspect.signature(type(self)).parameters
        short = reprlib.Repr()
        short.maxlist = 2  # the bounds of each column of a table
        return ", ".join(f"{name}={short.repr(getattr(self, name))}" for name in names)

    @abstractmethod
    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Process the training data once, before training, to initialise from them if requested.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: The context of these data.
        """
