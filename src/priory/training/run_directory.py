"""The directory of a run: whole, or not there."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def next_free(parent: str | Path, name: str) -> Path:
    """Return the first of `parent/name-1`, `parent/name-2`, ... that does not exist."""
    paths = (Path(parent) / f"{name}-{number}" for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


@contextmanager
def new_run_directory(path: str | Path) -> Iterator[Path]:
    """Give a hidden directory to write to, which takes its name when the block ends well.

    A block that ends in an error, or is interrupted, leaves nothing; one that is killed leaves a
    hidden directory that nothing takes for a run.

    Args:
        path: The directory to make.

    Raises:
        FileExistsError: If the path exists.
        OSError: If it cannot be written to.

    Examples:
        >>> import tempfile, pathlib
        >>> from priory.training import new_run_directory
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     run = pathlib.Path(parent) / "run"
        ...     with new_run_directory(run) as scratch:
        ...         _ = (scratch / "metrics.json").write_text("{}")
        ...         was_there = run.exists()
        ...     was_there, run.exists()
        (False, True)

    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(
            f"expected a directory that does not exist yet, got {path}; name another, or remove it."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.unfinished-", dir=path.parent))
    except OSError as error:
        raise type(error)(
            f"expected a directory that can be written to, got {path} ({error.strerror}); "
            "name another."
        ) from error
    try:
        yield scratch
        umask = os.umask(0)
        os.umask(umask)
        scratch.chmod(0o777 & ~umask)  # mkdtemp made it private
        scratch.rename(path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
