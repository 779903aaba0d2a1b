"""Whether torch's distributions check their arguments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributions import Distribution

# torch < 2.7 has no such function.
is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)


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


def unchecked_in_export(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a call returns, which while `torch.export` traces it checks no arguments.

    A graph cannot hold a check that depends on values. Neither the distributions that are made on
    the way nor the one that is returned, which checks what it is asked for, have any then.

    Args:
        make: What is called; distributions come of it.
        *args: Its arguments.
        **kwargs: Likewise, by name.

    """
    if not is_exporting() or torch.compiler.is_dynamo_compiling():
        return make(*args, **kwargs)
    with without_argument_checks():
        result = make(*args, **kwargs)
    pending = [result]
    while pending:
        value = pending.pop()
        if isinstance(value, Distribution):
            value._validate_args = False
            pending += vars(value).values()
        elif isinstance(value, list | tuple):
            pending += value
    return result
