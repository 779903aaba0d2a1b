"""From a model and data to a trained model."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from priory.data import Batches, Splits
from priory.extras import needs
from priory.training.module import Training
from priory.training.progress import EpochProgress
from priory.vae import VAE

with needs("train"):
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger
    from rich.console import Console


@dataclass(frozen=True)
class History:
    """How training went.

    Attributes:
        epochs: Epochs trained.
        best_elbo: The best validation ELBO, in nats per datum.

    """

    epochs: int
    best_elbo: float


def train(
    vae: VAE,
    splits: Splits,
    *,
    max_epochs: int = 1000,
    patience: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    beta: float = 1.0,
    seed: int = 0,
    console: Console | None = None,
    curves: Path | None = None,
) -> History:
    """Train a VAE until its validation ELBO stops rising, and keep the best weights.

    Args:
        vae: The model; it is trained in place.
        splits: The data.
        max_epochs: The most epochs to train.
        patience: Epochs without a better validation ELBO after which to stop.
        batch_size: The size of a batch.
        learning_rate: The step size of Adamax.
        beta: The weight of the rate in the loss.
        seed: The seed of the order and the noise; the caller's generator is left as it was.
        console: Where to show progress; None shows none.
        curves: A directory for the training curves (`metrics.csv`); None keeps none.

    Returns:
        How training went; the model itself is left in evaluation mode.

    Raises:
        ValueError: If an argument is out of range.
        FloatingPointError: If the loss is no longer finite.

    """
    if max_epochs < 1 or patience < 1 or not learning_rate > 0:
        raise ValueError(
            "expected at least one epoch, a patience of at least one and a learning rate above "
            f"zero, got {max_epochs}, {patience} and {learning_rate}."
        )
    train_batches = Batches(splits.train, batch_size, seed=seed)
    validation_batches = Batches(splits.validation, max(batch_size, 1024))
    with torch.random.fork_rng(), _quiet_lightning(), tempfile.TemporaryDirectory() as scratch:
        torch.manual_seed(seed)
        best = ModelCheckpoint(scratch, monitor="elbo", mode="max", save_weights_only=True)
        stop = EarlyStopping("elbo", mode="max", patience=patience)
        progress = [EpochProgress(type(vae.prior).__name__, console)] if console else []
        trainer = Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=max_epochs,
            callbacks=[best, stop, *progress],
            logger=CSVLogger(curves, name="", version="") if curves else False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=len(train_batches),
        )
        module = Training(vae, learning_rate, beta, seed)
        trainer.fit(module, train_batches, validation_batches)
        state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
        module.load_state_dict(state)
    vae.cpu().eval()
    score = best.best_model_score
    assert score is not None  # there was at least one epoch
    return History(epochs=trainer.current_epoch, best_elbo=float(score))


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated")  # Lightning's own
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
