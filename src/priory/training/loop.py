"""From an array, or a model and data, to a trained model."""

import logging
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.data import Source, Splits, split
from priory.extras import needs
from priory.likelihoods import choose_likelihood
from priory.priors import Prior
from priory.training.build import build
from priory.training.callbacks import BestWeights, EpochProgress, LastCheckpoint, WholeCheckpointIO
from priory.training.curves import join_curves, set_curves_aside
from priory.training.module import Training
from priory.training.settings import TrainingSettings
from priory.vae import VAE

with needs("train"):
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
    from lightning.pytorch.loggers import CSVLogger
    from rich.console import Console


def fit(
    x: Tensor | Array,
    prior: str | Prior = "VampPrior",
    *,
    latent_dim: int | None = None,
    num_components: int | None = None,
    hidden_sizes: Sequence[int] = (256, 256),
    verbose: bool = True,
    **settings: Any,
) -> VAE:
    """Train a VAE on an array, with choices made from the data and printed.

    One datum in ten, drawn by the seed, is kept to validate on.

    Args:
        x: Data, `(N, *data_shape)`; their values decide the likelihood, as in
            `priory.likelihoods.choose_likelihood`.
        prior: The name of a prior, which then starts from the data where it can, or a prior, which
            does as its own options say.
        latent_dim: The number of latent dimensions L; by default the prior's, or a quarter of the
            data's, between 2 and 40.
        num_components: The number of components K; by default one for every 20 data, at most 500.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder.
        verbose: Whether to print the choices and the progress.
        **settings: How to train: `max_epochs`, `seed` and all else that
            [`TrainingSettings`][priory.training.TrainingSettings] takes.

    Returns:
        The model with the best validation ELBO, in evaluation mode.

    Raises:
        ImportError: If Lightning is not installed.
        ValueError: If the data fit no likelihood, or an argument is out of range.

    Examples:
        >>> import torch, priory
        >>> x = torch.randint(0, 2, (200, 9)).float()
        >>> model = priory.fit(x, prior="VampPrior", max_epochs=2, verbose=False)
        >>> model.sample(5).shape
        torch.Size([5, 9])

    """
    x = as_tensor(x).to(torch.float32)
    likelihood = choose_likelihood(x)
    how = TrainingSettings(**settings)
    splits = split(Source("data", x), test=0.0, seed=how.seed)
    how = replace(how, batch_size=how.batch_size_for(len(splits.train)))
    console = Console(quiet=not verbose)
    vae = build(
        splits,
        likelihood,
        prior,
        latent_dim=latent_dim,
        num_components=num_components,
        hidden_sizes=hidden_sizes,
        seed=how.seed,
    )
    console.print(
        f"{len(splits.train)} data of shape {tuple(x.shape[1:])} to train on, "
        f"{len(splits.validation)} to validate; {likelihood}; "
        f"{vae.prior}; hidden layers {tuple(hidden_sizes)}; {how}.",
        highlight=False,
    )
    train(vae, splits, how, console=console)
    return vae


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
    settings: TrainingSettings | None = None,
    *,
    console: Console | None = None,
    curves: Path | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 10.0,
    trainer: Mapping[str, Any] | None = None,
    machine: Any = None,
    logger: Any = "csv",
) -> History:
    """Train a VAE until its validation ELBO stops rising, and keep the best weights.

    A run that is killed and called again with the same arguments goes on from its checkpoint, and
    ends with the same weights as one that was never interrupted.

    Args:
        vae: The model; it is trained in place.
        splits: The data.
        settings: How to train.
        console: Where to show progress; None shows none.
        curves: A directory for the training curves (`metrics.csv`); None keeps none.
        checkpoint: The file of the checkpoint, from which training goes on where it exists; None
            writes none.
        checkpoint_seconds: The least time between two checkpoints.
        trainer: Further arguments of Lightning's `Trainer`, such as its strategy or a logger.

    Returns:
        How training went; the model itself is left in evaluation mode.

    Raises:
        ValueError: If the checkpoint is damaged or that of another model, or the arguments of the
            `Trainer` do not go together, never validate or ask for a device that is not there.
        FloatingPointError: If the loss is no longer finite; the last checkpoint stays.

    """
    settings = settings or TrainingSettings()
    module = Training(vae, splits, settings)
    options = dict(trainer or {})
    every = options.get("check_val_every_n_epoch", 1)
    if options.get("limit_val_batches") == 0 or (every or 1) > settings.max_epochs:
        raise ValueError(
            f"expected to validate at least once in {settings.max_epochs} epochs, as the best "
            "validation ELBO says which weights to keep, got limit_val_batches="
            f"{options.get('limit_val_batches')} and check_val_every_n_epoch={every}; train longer "
            "or validate more often."
        )
    best = BestWeights()  # before the averaging, whose weights it keeps
    callbacks: list[Callback] = [best]
    if settings.ema_decay is not None:
        callbacks.append(EMAWeightAveraging(use_buffers=False, decay=settings.ema_decay))
    if settings.patience is not None:
        callbacks.append(EarlyStopping("elbo", mode="max", patience=settings.patience))
    if console:
        callbacks.append(EpochProgress(type(vae.prior).__name__, console))
    if checkpoint:
        callbacks.append(LastCheckpoint(checkpoint, checkpoint_seconds))
    if curves and "logger" not in options:
        options["logger"] = CSVLogger(curves, name="", version="", flush_logs_every_n_steps=1)
    resumed = checkpoint if checkpoint and checkpoint.is_file() else None
    with torch.random.fork_rng(), _quiet_lightning():
        torch.manual_seed(settings.seed)
        if resumed and curves:
            set_curves_aside(curves, _read(resumed)["epoch"] + 1)
        loop = _make_trainer(
            {
                "accelerator": "auto",
                "devices": 1,
                "logger": False,
                **options,
                "callbacks": [*callbacks, *options.get("callbacks", [])],
                "max_epochs": settings.max_epochs,
                "gradient_clip_val": settings.gradient_clip,
                "enable_checkpointing": checkpoint is not None,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": len(module.train_batches),
                "use_distributed_sampler": False,
                "plugins": [WholeCheckpointIO(), *options.get("plugins", [])],
            }
        )
        try:
            loop.fit(module, ckpt_path=resumed, weights_only=True)
        except RuntimeError as error:
            if "Error(s) in loading state_dict" not in str(error):
                raise
            raise ValueError(
                f"expected a checkpoint of this model in {resumed}, got one of another; resume "
                "with the options of the run that wrote it."
            ) from error
        module.load_state_dict(best.weights)
        if curves and loop.is_global_zero:
            join_curves(curves)
    vae.cpu().eval()
    return History(epochs=loop.current_epoch, best_elbo=best.elbo)


def _make_trainer(options: Mapping[str, Any]) -> Trainer:
    try:
        return Trainer(**options)
    except MisconfigurationException as error:
        raise ValueError(
            f"expected arguments that Lightning's Trainer can work with, got: {error}"
        ) from error


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"expected a checkpoint in {checkpoint}, got a file that is truncated, damaged or "
            "holds more than tensors; remove it to start again."
        ) from error
    return state


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated")  # Lightning's own
            warnings.filterwarnings("ignore", ".*Experiment logs directory")  # nothing is lost
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
