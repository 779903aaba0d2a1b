"""The directory of a run: whole, or not there."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from priory.extras import needs
from priory.saving import DESCRIPTION


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


@dataclass(frozen=True)
class FoundRun:
    """Where the parts of a run lie.

    Attributes:
        model: The directory of the saved model.
        home: That of the configuration; of the model where there is none.
        config: The configuration that made it; empty where there is none beside it.

    """

    model: Path
    home: Path
    config: dict[str, Any]


def find_run(path: str | Path) -> FoundRun:
    """Find the saved model and the configuration of a run.

    The model lies in the directory itself, or in the only one below it that holds one; the
    configuration (`config.yaml`) lies beside it or in the directory above.

    Args:
        path: The directory of a run, or of a model within it.

    Raises:
        FileNotFoundError: If there is no saved model.
        ValueError: If there are several, or the configuration cannot be read.

    """
    found = find_runs(path)
    if len(found) > 1:
        raise ValueError(
            f"expected a run with one saved model, got {len(found)} at {path}; name one of "
            f"{', '.join(str(run.model) for run in found)}."
        )
    return found[0]


def find_runs(path: str | Path) -> list[FoundRun]:
    """Find all saved models of a run, each with the configuration that made it.

    Args:
        path: The directory of a run, or of a model within it.

    Raises:
        FileNotFoundError: If there is no saved model.
        ValueError: If a configuration cannot be read.

    """
    path = Path(path)
    models = [path] if (path / DESCRIPTION).is_file() else []
    models = models or sorted(found.parent for found in path.glob(f"*/{DESCRIPTION}"))
    if not models:
        raise FileNotFoundError(
            f"expected a run with a saved model at {path}, found no {DESCRIPTION} in it."
        )
    return [_with_config(model) for model in models]


def _with_config(model: Path) -> FoundRun:
    beside = [d / "config.yaml" for d in (model, model.resolve().parent)]
    file = next((file for file in beside if file.is_file()), None)
    if file is None:
        return FoundRun(model, model, {})
    return FoundRun(model, file.parent, _read_config(file))


def _read_config(file: Path) -> dict[str, Any]:
    with needs("cli"):
        import yaml
    try:
        config = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(
            f"expected the configuration of a run in {file}, got a file that is damaged."
        ) from error
    if not isinstance(config, dict):
        raise ValueError(
            f"expected the options of a run in {file}, got {type(config).__name__}; it is damaged."
        )
    return config
