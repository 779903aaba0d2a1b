"""A line that says how far a training is."""

import time
from datetime import timedelta

from priory.extras import needs
from priory.training.curves import Row
from priory.training.settings import TrainingSettings

with needs("train"):
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """The epoch, the terms of the validation ELBO, the patience and the time that are left.

    A terminal shows one line that changes; anywhere else a line is printed now and then, and at
    the end.

    Args:
        title: What to write before the line.
        settings: How long to train.
        console: Where to write; None writes nothing.
        epoch: The epochs trained already.

    """

    def __init__(
        self, title: str, settings: TrainingSettings, console: Console | None, epoch: int
    ) -> None:
        self.title, self.settings, self.first = title, settings, epoch
        self.console = None if console is None or console.quiet else console
        self.live: Live | None = None
        if self.console is not None and self.console.is_terminal:
            self.live = Live("", console=self.console, refresh_per_second=4)
        self.start = self.last = time.monotonic()
        self.latest: Row = {}

    def __enter__(self) -> "Progress":
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live is not None:
            self.live.stop()  # which leaves the last line standing

    def show(self, epoch: int, row: Row, without_better: int) -> None:
        """Show where the training is.

        Args:
            epoch: The epochs trained so far.
            row: What was measured after the last of them, if anything.
            without_better: The epochs since the best.

        """
        if self.console is None:
            return
        self.latest = row if "elbo" in row else self.latest
        left = self.settings.epochs_left(epoch, without_better)
        now = time.monotonic()
        if self.live is None and left and now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.last = now
        line = self._line(epoch, left, without_better, now - self.start)
        if self.live is None:
            self.console.print(line, highlight=False, soft_wrap=True)
        else:
            self.live.update(Text(line))

    def _line(self, epoch: int, left: int, without_better: int, seconds: float) -> str:
        most, patience, metrics = self.settings.max_epochs, self.settings.patience, self.latest
        parts = [f"{self.title}: epoch {epoch} of at most {most}"]
        if metrics:
            parts[0] += ", ELBO {elbo:.2f} = {reconstruction:.2f} - {rate:.2f}".format(**metrics)
        if "components_in_use" in metrics:
            parts[0] += f", {metrics['components_in_use']:.0f} in use"
        if patience is not None:
            parts.append(f"{without_better} epochs without a better ELBO (stops at {patience})")
        each = seconds / (epoch - self.first)
        if left:
            rise = " unless it rises" if left < most - epoch else ""
            parts.append(f"{timedelta(seconds=round(left * each))} left{rise}")
        else:
            parts.append(f"took {timedelta(seconds=round(seconds))}")
        return "; ".join(parts)
