"""What Lightning calls between epochs: to keep the best weights, for checkpoints and progress.

From a checkpoint a killed run goes on as if it had not been.
"""

import io
import math
import time
from pathlib import Path
from typing import Any

import torch

from priory.extras import needs
from priory.files import write_whole

with needs("train"):
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import Checkpoint
    from lightning.pytorch.plugins.io import TorchCheckpointIO
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints whole, and reads nothing but tensors and plain values from them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; one that was there is replaced when the new one is whole."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            write_whole(path, content.getvalue())
        except OSError as error:
            raise OSError(
                f"expected to write a checkpoint at {path}, got: {error.strerror}; the last good "
                "one is kept, so make room and resume."
            ) from error


class LastCheckpoint(Checkpoint):
    """Writes the whole state of training to one file, after an epoch and not too often.

    Lightning calls checkpoints last, so that what the other callbacks know of the epoch is in them.

    Args:
        path: The file.
        seconds: The least time between two checkpoints.

    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self.last = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a checkpoint when it is due; the first process says whether it is."""
        due = trainer.strategy.broadcast(time.monotonic() - self.last >= self.seconds)
        if due and not trainer.should_stop:  # which no checkpoint remembers
            trainer.save_checkpoint(self.path)
            self.last = time.monotonic()


class BestWeights(Callback):
    """Keeps the weights of the best validation ELBO, which are the outcome of training.

    They are part of a checkpoint, so that a resumed run knows them too.
    """

    def __init__(self) -> None:
        self.elbo = float("-inf")
        self.weights: dict[str, torch.Tensor] = {}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights if they are better than those before."""
        elbo = float(trainer.callback_metrics["elbo"])
        if not math.isfinite(elbo):
            terms = ("reconstruction", "rate")
            culprits = [t for t in terms if not trainer.callback_metrics[t].isfinite()]
            raise FloatingPointError(
                f"expected a finite validation ELBO, got {elbo} after epoch "
                f"{trainer.current_epoch}, from the {' and the '.join(culprits)}; lower the "
                "learning rate, clip the gradient or warm up beta."
            )
        if elbo > self.elbo:
            self.elbo = elbo
            self.weights = {
                name: value.detach().cpu().clone() for name, value in pl_module.state_dict().items()
            }

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {"elbo": self.elbo, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what a checkpoint held."""
        self.elbo, self.weights = state_dict["elbo"], state_dict["weights"]


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
