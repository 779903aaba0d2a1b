"""The curves of a run that was resumed: each epoch once."""

import csv
import io
import math
from pathlib import Path

from priory.files import write_whole

CURVES, EARLIER = "metrics.csv", "metrics.earlier.csv"


def set_curves_aside(directory: Path, epoch: int) -> None:
    """Put what was logged before an epoch where the logger does not replace it.

    Args:
        directory: The directory of the curves.
        epoch: The first epoch that will be logged again.

    """
    rows = _read(directory / EARLIER) + _read(directory / CURVES)
    kept = [row for row in rows if int(row["epoch"]) < epoch]
    if kept:
        _write(directory / EARLIER, kept)
    (directory / CURVES).unlink(missing_ok=True)


def join_curves(directory: Path) -> None:
    """Put what was set aside back before what was logged since."""
    earlier = _read(directory / EARLIER)
    if earlier:
        _write(directory / CURVES, earlier + _read(directory / CURVES))
        (directory / EARLIER).unlink()


def read_curves(directory: str | Path) -> dict[str, list[float | None]]:
    r"""Return the validation curves of a run: a column of numbers for each, the epochs first.

    Args:
        directory: The directory of the curves.

    Returns:
        The columns; none where there are no curves. What is not a finite number is None.

    Examples:
        >>> import pathlib, tempfile
        >>> from priory.training import read_curves
        >>> with tempfile.TemporaryDirectory() as run:
        ...     _ = (pathlib.Path(run) / "metrics.csv").write_text("elbo,epoch\n-9.5,0\n,0\n")
        ...     read_curves(run)
        {'epoch': [0.0], 'elbo': [-9.5]}

    """
    rows = [row for row in _read(Path(directory) / CURVES) if row.get("elbo")]
    names = [name for name in ("epoch", "elbo", "rate", "components_in_use") if rows]
    return {
        name: [_number(row[name]) for row in rows]
        for name in names
        if all(row.get(name) for row in rows)
    }


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if (row.get("epoch") or "").isdigit()]  # not one cut by a kill


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())
