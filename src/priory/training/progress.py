"""A line that says how training goes."""

from typing import Any

from priory.extras import needs

with needs("train"):
    from lightning.pytorch import Callback, LightningModule, Trainer
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class EpochProgress(Callback):
    """One bar over epochs, with the best validation ELBO so far.

    Args:
        title: What to write before the bar.
        console: Where to write.

    """

    def __init__(self, title: str, console: Console) -> None:
        self.best = float("-inf")
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn(
                "epoch {task.completed:4.0f}   best validation ELBO {task.fields[best]:8.2f}"
            ),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=4,
        )
        self.task = self.progress.add_task(f"{title:<16}", total=None, best=self.best)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self.progress.update(self.task, total=trainer.max_epochs)
        self.progress.start()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar on."""
        if not trainer.sanity_checking:
            self.best = max(self.best, float(trainer.callback_metrics["elbo"]))
            self.progress.update(self.task, completed=trainer.current_epoch + 1, best=self.best)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the last line standing."""
        self.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: Any) -> None:
        """Leave the last line standing."""
        self.progress.stop()
