"""Files that are written completely or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def checked_file(out: str | Path, suffixes: Sequence[str] = (), why: str = "") -> Path:
    """Return the path of a file to write, checked before the work starts.

    Args:
        out: The file.
        suffixes: The allowed file extensions; any by default.
        why: What to add to the error about the extension.

    Raises:
        FileExistsError: If it exists.
        FileNotFoundError: If its directory does not.
        ValueError: If it has a different extension.
    """
    path = Path(out)
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"expected a file that ends in {', '.join(suffixes)}{why}, got {out}.")
    if path.exists():
        raise FileExistsError(
            f"expected a file that does not exist yet, got {out}; name another with --out."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"expected a directory at {path.parent}, found none; create it.")
    return path


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file under a temporary name first, so that only a complete file replaces the old one.

    Examples:
        >>> import tempfile, pathlib
        >>> from priory.files import write_whole
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     path = pathlib.Path(parent) / "numbers.json"
        ...     write_whole(path, b"{}")
        ...     path.read_text()
        '{}'
    """
    path = Path(path)
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)  # mkstemp created it as private
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def read_record(file: Path, writer: str) -> dict[str, Any] | None:
    """Return the numbers that a command wrote; None if there is no such file.

    Raises:
        ValueError: If the file is damaged.
    """
    if not file.is_file():
        return None
    try:
        record = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(
            f"expected the output of {writer} in {file}, got a damaged file."
        ) from error
    if not isinstance(record, dict):
        raise ValueError(f"expected the output of {writer} in {file}, got a different file.")
    return record


def write_record(file: Path, record: Mapping[str, Any]) -> None:
    """Write numbers as JSON."""
    write_whole(file, (json.dumps(record, indent=2) + "\n").encode())
