"""The split that the data provide."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from priory.data.splits import assign_parts

TRAIN, VALIDATION, TEST = range(3)
PARTS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "test": 2, "testing": 2}


def complete_parts(
    part: Tensor, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Tensor:
    """Draw missing parts of a split from the training data; a complete split is not changed.

    Args:
        part: The part of each example, `(N,)`: 0 for training, 1 for validation, 2 for testing.
        validation: The fraction of the training data to use for validation, if there are no
            validation data yet; zero for none.
        test: The fraction of the training data to use for testing, if there are no test data yet.
        seed: The random seed.

    Returns:
        The part of each example, `(N,)`, of dtype int8.

    Raises:
        ValueError: If there are too few training data to draw from.

    Examples:
        >>> import torch
        >>> from priory.data import complete_parts
        >>> complete_parts(torch.tensor([0] * 100 + [2] * 20)).bincount().tolist()
        [90, 10, 20]
    """
    training = (part == TRAIN).nonzero().squeeze(1)
    if len(training) == 0:
        raise ValueError("expected training data in the split of the data, got none.")
    validate = validation > 0 and not (part == VALIDATION).any()
    testing = test > 0 and not (part == TEST).any()
    whole = part.to(torch.int8, copy=True)
    if validate and testing:
        whole[training] = assign_parts(len(training), validation, test, seed)
    elif validate or testing:
        drawn = assign_parts(len(training), validation if validate else test, 0.0, seed)
        whole[training] = drawn * (VALIDATION if validate else TEST)
    return whole


def parts_by_name(names: Sequence[Any], where: str) -> Tensor:
    """Read a split, `(N,)`, from words: train, validation (valid, val) or test for each example."""
    part = torch.empty(len(names), dtype=torch.int8)
    for row, name in enumerate(names):
        number = PARTS.get(str(name).strip().lower())
        if number is None:
            raise ValueError(
                f"expected train, validation or test in {where}, got {name!r} in row {row}."
            )
        part[row] = number
    return part
