"""A progress line for training."""

import time
from datetime import timedelta

from priory.extras import needs
from priory.printing import printable
from priory.training.curves import Row
from priory.training.settings import TrainingSettings

with needs("train"):
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """The epoch, the terms of the validation ELBO, the remaining patience and the remaining time.

    A terminal shows one line that is updated; elsewhere a line is printed from time to time, and at
    the end.

    Args:
        title: The text before the line.
        settings: The training settings.
        console: The console to write to.
        epoch: The number of epochs trained so far.
    """

    def __init__(
        self, title: str, settings: TrainingSettings, console: Console, epoch: int
    ) -> None:
        self.title, self.settings, self.first = title, settings, epoch
        self.console = console
        self.live = Live(console=self.console, refresh_per_second=4)
        self.start = self.last = time.monotonic()
        self.latest: Row = {}

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.live.stop()  # this keeps the last line

    def show(self, epoch: int, row: Row, without_better: int) -> None:
        """Show the progress.

        Args:
            epoch: The epochs trained so far.
            row: The measurements after the last epoch.
            without_better: The epochs since the best.
        """
        self.latest = row if "elbo" in row else self.latest
        left, now = self.settings.epochs_left(epoch, without_better), time.monotonic()
        if not self.live.is_started:
            if left and now - self.last < SECONDS_BETWEEN_LINES:
                return
            self.last = now
        most, patience, seconds = self.settings.max_epochs, self.settings.patience, now - self.start
        line = f"{self.title}: epoch {epoch} of at most {most}"
        if self.latest:
            line += ", ELBO {elbo:.2f} = {reconstruction:.2f} - {rate:.2f}".format(**self.latest)
        if "components_in_use" in self.latest:
            line += f", {self.latest['components_in_use']:.0f} in use"
        if patience is not None:
            epochs = "epoch" if without_better == 1 else "epochs"
            line += f"; {without_better} {epochs} without a better ELBO (stops at {patience})"
        if left:
            time_left = timedelta(seconds=round(left * seconds / (epoch - self.first)))
            line += f"; {time_left} left" + " if it does not improve" * (left < most - epoch)
        else:
            line += f"; took {timedelta(seconds=round(seconds))}"
        if self.live.is_started:
            self.live.update(Text(printable(line)))
        else:
            self.console.print(line)
