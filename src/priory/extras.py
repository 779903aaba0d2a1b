"""Optional dependencies: imported where they are used, missed in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a missing optional package into an error that names the extra to install.

    Args:
        extra: The name of the extra in Priory's ``pyproject.toml`` that holds the package.

    Raises:
        ImportError: If an import inside the block finds its package missing.

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
