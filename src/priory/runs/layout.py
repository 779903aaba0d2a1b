"""Where the files of a run are, and who may write them."""

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
    """Return the directories of all saved models of a run: its own, or those inside it.

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
    """Provide a hidden directory to write to, which is renamed when the block succeeds.

    If the block raises or is interrupted, nothing remains. If it is killed, a hidden directory
    remains, which is never mistaken for a run and which the next run with that name removes.

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
    """Lock the directory of a run in progress, so that no other process writes to it.

    After an error, a directory created here is removed unless it has a checkpoint to resume from;
    one created by another process is not touched.

    Args:
        path: The directory; it is created by the process that finds it missing.
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
                        "or continue the run in it with --resume."
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
                        print(f"priory: continue the run with {printable(advice)}", file=sys.stderr)
                    raise
                finally:  # still locked, so that a process that comes now has nothing left to write
                    (path / LOCK).unlink(missing_ok=True)
        except Timeout as error:
            raise ValueError(
                f"expected a run that no other process is training, got {path}; wait until it "
                "ends, or name another directory."
            ) from error


@contextmanager
def _parents_of(path: Path) -> Iterator[None]:
    """After an error, remove parents that did not exist before, unless they are not empty."""
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
        f"expected a writable directory, got {path} ({error.strerror}); name another."
    )


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed run with this name left; a run in progress is locked."""
    for leftover in path.parent.glob(f".{escape(path.name)}{UNFINISHED}*"):
        if not (leftover / LOCK).is_file():  # just created, and about to be locked
            continue
        try:
            with FileLock(leftover / LOCK, timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
        except Timeout:
            continue
