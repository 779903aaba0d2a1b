"""What is known of a batch beside its values."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor
from torch.distributions import Distribution


@dataclass(frozen=True)
class Context:
    """Which data these are and what is known of them; most models never see one.

    Attributes:
        index: The position of each datum in the training set, `(B,)`.
        covariates: Labels, batches or measurements of each datum, `(B, ...)`.

    """

    index: Int[Tensor, " B"] | None = None
    covariates: Tensor | None = None

    def __getitem__(self, data: slice | Int[Tensor, "..."]) -> "Context":
        """Return what is known of some of the data."""
        index, covariates = (
            None if known is None else known[data] for known in (self.index, self.covariates)
        )
        return Context(index, covariates)


Encoder = Callable[..., Distribution]
"""A module called as `encoder(x, context=None)` that returns a distribution over z."""

Decoder = Callable[..., Distribution]
"""A module called as `decoder(z, context=None)` that returns a distribution over x."""
