"""Whether torch's distributions check their arguments."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributions import Distribution


@contextmanager
def without_argument_checks() -> Iterator[None]:
    """Let torch's distributions take their arguments as they are, and after that check as before.

    With small models the checks take a good part of a step: they look at every number.

    Examples:
        >>> import torch
        >>> from torch.distributions import Normal
        >>> from priory.distributions.argument_checks import without_argument_checks
        >>> with without_argument_checks():
        ...     Normal(0.0, -1.0).scale
        tensor(-1.)

    """
    before = Distribution.__dict__["_validate_args"]
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)
