"""Where the parts of a run lie, and who may write them."""

import itertools
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from filelock import FileLock, Timeout

from priory.printing import printable
from priory.saving import DESCRIPTION

CONFIG, METRICS, MEASURES, CHECKPOINT = "config.yaml", "metrics.json", "measures.json", "last.ckpt"
PAGE, LOCK, UNFINISHED = "report.html", ".lock", ".unfinished-"
SEEDS = "seeds.json"


def seed_directory(home: Path, seed: int) -> Path:
    """Return the directory of a further seed of a comparison, which is a run of its own."""
    return home / f"seed-{seed}"


def next_free(parent: str | Path, name: str) -> Path:
    """Return the first of `parent/name-1`, `parent/name-2`, ... that does not exist."""
    paths = (Path(parent) / f"{name}-{number}" for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


def model_directories(path: str | Path) -> list[Path]:
    """Return the directories of all saved models of a run: its own, or else those within it.

    Raises:
        FileNotFoundError: If there is no saved model.
    """
    path = Path(path)
    models = [path] if (path / DESCRIPTION).is_file() else []
    models = models or sorted(file.parent for file in path.glob(f"*/{DESCRIPTION}"))
    if not models:
        raise FileNotFoundError(
            f"expected a run with a saved model at {path}, found no {DESCRIPTION} in it."
        )
    return models


@contextmanager
def new_run_directory(path: str | Path) -> Iterator[Path]:
    """Give a hidden directory to write to, which takes its name when the block ends well.

    A block that ends in an error, or is interrupted, leaves nothing; one that is killed leaves a
    hidden directory, which nothing takes for a run and the next run of that name removes.

    Args:
        path: The directory to make.

    Raises:
        FileExistsError: If the path exists.
        OSError: If it cannot be written to.

    Examples:
        >>> import tempfile, pathlib
        >>> from priory.runs import new_run_directory
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
    with _parents_of(path):
        with _writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(path)
            scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}{UNFINISHED}", dir=path.parent))
        lock = FileLock(scratch / LOCK)
        try:
            with lock:
                yield scratch
            (scratch / LOCK).unlink(missing_ok=True)
            umask = os.umask(0)
            os.umask(umask)
            scratch.chmod(0o777 & ~umask)  # mkdtemp made it private
            scratch.rename(path)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise


@contextmanager
def claimed(path: Path, *, new: bool) -> Iterator[None]:
    """Hold the directory of a run that is written as it goes on, so that no other process does.

    An error unmakes a directory that was made here, as long as there is no checkpoint to go on
    from; whoever finds it made by another process leaves it alone.

    Args:
        path: The directory; its maker is the one process that finds it absent.
        new: Whether it must not exist yet.

    Raises:
        FileExistsError: If it must not exist, and does.
        OSError: If it cannot be written to.
        ValueError: If another process holds it.
    """
    with _parents_of(path):
        with _writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
                made = True
            except FileExistsError:
                made = False
                if new or not path.is_dir():
                    raise FileExistsError(
                        f"expected a directory that does not exist yet, got {path}; name another, "
                        "or go on with the run in it with --resume."
                    ) from None
        try:
            with FileLock(path / LOCK, timeout=0):
                try:
                    yield
                except BaseException as error:
                    failed = isinstance(error, Exception)  # or else interrupted
                    goes_on = (path / (CHECKPOINT if failed else CONFIG)).is_file()
                    if made and not goes_on:
                        shutil.rmtree(path, ignore_errors=True)
                    if goes_on and not failed:
                        advice = f"priory train --resume --out {shlex.quote(str(path))}"
                        print(f"priory: the run goes on with {printable(advice)}", file=sys.stderr)
                    raise
                finally:  # still held, so that whoever comes now finds nothing left to write
                    (path / LOCK).unlink(missing_ok=True)
        except Timeout as error:
            raise ValueError(
                f"expected a run that no other process is training, got {path}; wait until that "
                "one ends, or name another directory."
            ) from error


@contextmanager
def _parents_of(path: Path) -> Iterator[None]:
    """Unmake on an error the parents that were not there before, unless something lies in them."""
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        if str(error).startswith("expected"):
            raise
        raise _not_writable(path, error) from error
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> OSError:
    return type(error)(
        f"expected a directory that can be written to, got {path} ({error.strerror}); name another."
    )


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed run of this name left; another that still goes on holds its lock."""
    for leftover in path.parent.glob(f".{escape(path.name)}{UNFINISHED}*"):
        if not (leftover / LOCK).is_file():  # made a moment ago, and about to be locked
            continue
        try:
            with FileLock(leftover / LOCK, timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
        except Timeout:
            continue
