"""Optional dependencies, imported where they are used, with a one-sentence error if missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a missing optional package into an error that names the extra to install.

    Examples:
        >>> from priory.extras import needs
        >>> with needs("train"):
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        ImportError: no_such_package is not installed; install it with pip install "priory[train]".
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{error.name} is not installed; install it with pip install "priory[{extra}]".'
        ) from error
