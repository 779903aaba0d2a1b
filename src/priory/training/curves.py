"""The curves of a run that was resumed: each epoch once."""

import csv
import io
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
