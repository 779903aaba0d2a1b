"""What `expand` has in common in all our distributions."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from torch import Size
from torch.distributions import Distribution

D = TypeVar("D", bound=Distribution)


def expanded(
    distribution: D, cls: type[D], batch_shape: Sequence[int], instance: D | None, **attributes: Any
) -> D:
    """Return a distribution with another batch shape, as torch's own `expand` does.

    It is of the type of the one given, also where that is a subclass, and checks its arguments
    where that does.

    Args:
        distribution: The distribution that is expanded.
        cls: The class that defines `expand`.
        batch_shape: The new batch shape.
        instance: What the `expand` of a subclass made; None for a new one.
        attributes: The attributes of the new one, by name.

    Raises:
        NotImplementedError: If a subclass has a constructor of its own and no `expand`.

    """
    new = cast(D, distribution._get_checked_instance(cls, instance))  # type: ignore[no-untyped-call]
    for name, value in attributes.items():
        setattr(new, name, value)
    Distribution.__init__(new, Size(batch_shape), distribution.event_shape, validate_args=False)
    new._validate_args = distribution._validate_args
    return new
