"""Training, validation and test data."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Splits:
    """Data in three parts, each `(N, *data_shape)`.

    Attributes:
        name: What to call the data in tables and figures.
        train: The data to train on.
        validation: The data that decide when to stop.
        test: The data to report on.

    """

    name: str
    train: Tensor
    validation: Tensor
    test: Tensor

    @property
    def all(self) -> Tensor:
        """All three parts, one after the other."""
        return torch.cat((self.train, self.validation, self.test))


def split_at_random(
    x: Tensor, name: str, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Splits:
    """Split data at random, in an order that the seed alone decides.

    Args:
        x: Data, `(N, *data_shape)`.
        name: What to call them.
        validation: The fraction to validate on; at least one datum.
        test: The fraction to test on; at least one datum where it is above zero.
        seed: The seed of the order.

    Raises:
        ValueError: If too few data are left to train on.

    Examples:
        >>> import torch
        >>> from priory.data import split_at_random
        >>> splits = split_at_random(torch.zeros(100, 4), "zeros")
        >>> len(splits.train), len(splits.validation), len(splits.test)
        (80, 10, 10)

    """
    num_validation = max(1, round(validation * len(x)))
    num_test = max(1, round(test * len(x))) if test > 0 else 0
    num_train = len(x) - num_validation - num_test
    if num_train < 1:
        raise ValueError(
            f"expected at least {num_validation + num_test + 1} data to train, validate and test "
            f"on, got {len(x)}."
        )
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    parts = x[order.to(x.device)].split([num_train, num_validation, num_test])
    return Splits(name, *parts)
