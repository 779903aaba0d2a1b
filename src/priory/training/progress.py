"""A line that says how training goes."""

from typing import Any

from priory.extras import needs

with needs("train"):
    from lightning.pytorch import Callback, LightningModule, Trainer
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )


class EpochProgress(Callback):
    """One bar over epochs, with the terms of the validation ELBO and the time that is left.

    Args:
        title: What to write before the bar.
        console: Where to write.

    """

    def __init__(self, title: str, console: Console) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.completed:.0f}/{task.total} {task.fields[now]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            refresh_per_second=4,
        )
        self.task = self.progress.add_task(title, total=0, now="")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        self.progress.update(self.task, total=trainer.max_epochs)
        self.progress.start()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar on."""
        if not trainer.sanity_checking:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            now = "ELBO {elbo:.2f} = {reconstruction:.2f} - {rate:.2f}".format(**metrics)
            if "components_in_use" in metrics:
                now += f", {metrics['components_in_use']:.0f} in use"
            self.progress.update(self.task, completed=trainer.current_epoch + 1, now=now)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the last line standing."""
        self.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: Any) -> None:
        """Leave the last line standing."""
        self.progress.stop()
