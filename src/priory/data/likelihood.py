"""Which likelihood do data ask for, and do data fit it?"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

MOST_VALUES = 256


@dataclass(frozen=True)
class Likelihood:
    """A likelihood for data, with the reason for it.

    Attributes:
        name: `"bernoulli"` for values 0 and 1, `"categorical"` for values 0 to V − 1.
        num_values: The number of values V.
        why: What was seen in the data, or that it was asked for.

    """

    name: Literal["bernoulli", "categorical"]
    num_values: int
    why: str

    @property
    def data_range(self) -> tuple[float, float]:
        """The smallest and the largest value a datum can take."""
        return (0.0, float(self.num_values - 1))

    def check(self, x: Tensor, what: str = "the data") -> None:
        """Check that data lie in the support.

        Args:
            x: Data, `(N, *data_shape)`.
            what: What to call them in an error.

        Raises:
            ValueError: If a value is outside the support; the first such value is named.

        """
        inside = (x >= 0) & (x < self.num_values) & (x == x.round())
        if not inside.all():
            where = (~inside).nonzero()[0].tolist()
            raise ValueError(
                f"expected whole numbers from 0 to {self.num_values - 1} in {what} "
                f"({self.name} likelihood), got {x[tuple(where)]:g} in datum {where[0]} at "
                f"{where[1:]}; round or binarise the data, or choose another likelihood."
            )


def choose_likelihood(
    x: Tensor,
    name: Literal["auto", "bernoulli", "categorical"] = "auto",
    num_values: int | None = None,
) -> Likelihood:
    """Choose the likelihood that data ask for, and check that they fit it.

    Zeros and ones are Bernoulli; other whole numbers from zero are categorical.

    Args:
        x: Data, `(N, *data_shape)`.
        name: A likelihood by name, or `"auto"` to choose.
        num_values: The number of values V of a categorical likelihood; by default one more than the
            largest seen.

    Raises:
        ValueError: If there are no data, they hold NaN or infinite values, or they do not fit.

    Examples:
        >>> import torch
        >>> from priory.data import choose_likelihood
        >>> choose_likelihood(torch.tensor([[0.0, 16.0], [3.0, 1.0]]))
        Likelihood(name='categorical', num_values=17, why='whole numbers from 0 to 16')

    """
    if x.dim() < 2 or x.numel() == 0:
        raise ValueError(
            f"expected data of shape (N, ...) with at least one value, got shape {tuple(x.shape)}."
        )
    if not x.isfinite().all():
        where = (~x.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"expected finite values, got {x[tuple(where)]:g} in datum {where[0]} at {where[1:]}; "
            "remove or fill in such values first."
        )
    if name not in ("auto", "bernoulli", "categorical"):
        raise ValueError(f"expected likelihood auto, bernoulli or categorical, got {name!r}.")
    only_bits = bool(((x == 0) | (x == 1)).all())
    if name == "auto" and num_values is None and only_bits:
        likelihood = Likelihood("bernoulli", 2, "only zeros and ones")
    elif name == "bernoulli":
        likelihood = Likelihood("bernoulli", 2, "as asked")
    elif num_values is not None:
        likelihood = Likelihood("categorical", num_values, "as asked")
    else:
        most = max(1, int(x.max().clamp(max=MOST_VALUES - 1)))
        likelihood = Likelihood("categorical", most + 1, f"whole numbers from 0 to {most}")
    if likelihood.num_values < 2:
        raise ValueError(f"expected at least two values, got {likelihood.num_values}.")
    likelihood.check(x)
    return likelihood
