"""The training curves: one row per epoch, also in a resumed run."""

import csv
import io
import math
from pathlib import Path
from typing import Any

from priory.files import write_whole

CURVES = "metrics.csv"
COLUMNS = ["components_in_use", "elbo", "epoch", "rate", "reconstruction", "step", "train_loss"]
OF_A_LEVEL = "rate_"
"""The prefix of the column with the rate of a level of latents, before its number."""

Row = dict[str, float]


class Log:
    """Writes the curves to `metrics.csv` and to a logger.

    Args:
        directory: The directory of `metrics.csv`, which is rewritten with the rows so far; None
            writes none.
        logger: `"csv"` for only that file, False or None for nothing, `"tensorboard"`, or an object
            with `log_metrics(metrics, step)` and `finalize(status)`.
        rows: The rows logged before.
        levels: The number of levels of latents; with several, the rate of each has a column.

    Raises:
        ImportError: If TensorBoard is requested but not installed.
        TypeError: If the logger is not a logger.
    """

    def __init__(
        self, directory: Path | None, logger: Any, rows: list[Row], levels: int = 1
    ) -> None:
        more = [f"{OF_A_LEVEL}{n}" for n in range(1, levels + 1)] if levels > 1 else []
        self.columns = COLUMNS + more
        self.path = directory / CURVES if directory and logger not in (None, False) else None
        self.logger = None if logger in ("csv", None, True, False) else logger
        if logger == "tensorboard":
            self.logger = _tensorboard(directory, rows)
        elif self.logger and not callable(getattr(logger, "log_metrics", None)):
            raise TypeError(
                "expected the logger 'csv' or 'tensorboard', or an object with "
                "log_metrics(metrics, step) and finalize(status), like those of Lightning Fabric, "
                f"got {logger!r}."
            )
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            head = ",".join(self.columns) + "\n"
            write_whole(self.path, (head + self._lines(rows)).encode())

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.logger is not None:
            self.logger.finalize("failed" if kind else "success")

    def add(self, row: Row) -> None:
        """Write the row of an epoch."""
        if self.path:
            with self.path.open("a", newline="") as file:
                file.write(self._lines([row]))
        if self.logger is not None:
            metrics = {name: value for name, value in row.items() if name != "step"}
            self.logger.log_metrics(metrics, int(row["step"]))

    def _lines(self, rows: list[Row]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerows(rows)
        return text.getvalue()


def _tensorboard(directory: Path | None, rows: list[Row]) -> Any:
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    after = int(rows[-1]["step"]) + 1 if rows else None  # later rows of a killed run are removed
    try:
        return TensorBoardLogger(directory or "logs", name="", version="", purge_step=after)
    except ModuleNotFoundError as error:
        raise ImportError(
            "tensorboard is not installed; install it with pip install tensorboard."
        ) from error


def read_curves(directory: str | Path) -> dict[str, list[float | None]]:
    r"""Return the validation curves of a run: one column of numbers each, the epochs first.

    Args:
        directory: The directory of the curves.

    Returns:
        The columns; empty if there are no curves. Values that are not finite numbers are None.

    Raises:
        ValueError: If the file is not a table.

    Examples:
        >>> import pathlib, tempfile
        >>> from priory.training import read_curves
        >>> with tempfile.TemporaryDirectory() as run:
        ...     _ = (pathlib.Path(run) / "metrics.csv").write_text("elbo,epoch\n-9.5,0\n,0\n")
        ...     read_curves(run)
        {'epoch': [0.0], 'elbo': [-9.5]}
    """
    path = Path(directory) / CURVES
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", errors="replace") as file:
            rows = [row for row in csv.DictReader(file) if row.get("elbo")]
    except csv.Error as error:
        raise ValueError(
            f"expected training curves in {path}, got a damaged file ({error}); remove it to leave "
            "the curves out of the page."
        ) from error
    rows = [
        row for row in rows if (row.get("epoch") or "").isdigit()
    ]  # skip a row cut short by a kill
    of_levels = sorted(name for name in (rows or [{}])[0] if str(name).startswith(OF_A_LEVEL))
    return {
        name: [_number(row[name]) for row in rows]
        for name in ("epoch", "elbo", "rate", *of_levels, "components_in_use")
        if rows and all(row.get(name) for row in rows)
    }


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
