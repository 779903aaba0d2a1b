"""The split that data bring of their own."""

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
    """Draw from the training data what a split leaves out; a split that is whole stays as it is.

    Args:
        part: Where each example belongs, `(N,)`: 0 to train, 1 to validate, 2 to test.
        validation: The fraction of the training data to validate on, if there are none yet; at
            zero none are drawn.
        test: The fraction of the training data to test on, if there are none yet.
        seed: The seed of the draw.

    Returns:
        Where each example belongs, `(N,)` of type int8.

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
        raise ValueError("expected data to train on in the split of the data, got none.")
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
        found = PARTS.get(str(name).strip().lower())
        if found is None:
            raise ValueError(
                f"expected train, validation or test in {where}, got {name!r} in row {row}."
            )
        part[row] = found
    return part
