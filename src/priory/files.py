"""Files that are whole or not there."""

import os
import tempfile
from pathlib import Path


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file under another name first, so that what was there is only replaced by a whole.

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
        os.chmod(scratch, 0o666 & ~umask)  # mkstemp made it private
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
