"""From data to a trained model in one call."""

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from priory.data import Batches, Likelihood, Splits, choose_likelihood, split_at_random
from priory.extras import needs
from priory.networks import MLP, BernoulliDecoder, CategoricalDecoder, GaussianEncoder
from priory.priors import Prior, make_prior
from priory.training.module import Training
from priory.training.progress import EpochProgress
from priory.vae import VAE

with needs("train"):
    from rich.console import Console


def fit(
    x: Tensor,
    prior: str | Prior = "VampPrior",
    *,
    latent_dim: int | None = None,
    num_components: int | None = None,
    hidden_sizes: Sequence[int] = (256, 256),
    max_epochs: int = 1000,
    patience: int = 20,
    batch_size: int | None = None,
    learning_rate: float = 1e-3,
    seed: int = 0,
    verbose: bool = True,
) -> VAE:
    """Train a VAE on an array, with choices made from the data and printed.

    One datum in ten, drawn by the seed, is kept to validate on.

    Args:
        x: Data of whole numbers from zero, `(N, *data_shape)`; zeros and ones get a Bernoulli
            likelihood, more values a categorical one.
        prior: The name of a prior, which then starts from the data where it can, or a prior as it
            is to start.
        latent_dim: The number of latent dimensions L; by default a quarter of the data's, between 2
            and 40.
        num_components: The number of components K; by default one for every 20 data, at most 500.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder.
        max_epochs: The most epochs to train.
        patience: Epochs without a better validation ELBO after which to stop.
        batch_size: The size of a batch; by default a hundredth of the data, between 64 and 1000.
        learning_rate: The step size of Adamax.
        seed: The seed of the split, the start, the order and the noise.
        verbose: Whether to print the choices and the progress.

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
    x = torch.as_tensor(x, dtype=torch.float32)
    likelihood = choose_likelihood(x)
    splits = split_at_random(x, "data", test=0.0, seed=seed)
    if latent_dim is None:
        latent_dim = min(40, max(2, math.prod(x.shape[1:]) // 4))
    if num_components is None:
        num_components = min(500, max(1, len(splits.train) // 20))
    if batch_size is None:
        batch_size = min(1000, max(64, len(splits.train) // 100))
    console = Console(quiet=not verbose)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder, decoder = default_networks(likelihood, x.shape[1:], latent_dim, hidden_sizes)
        if isinstance(prior, str):
            prior = make_prior(
                prior,
                latent_dim=latent_dim,
                num_components=num_components,
                init="data",
                data_shape=tuple(x.shape[1:]),
                data_range=likelihood.data_range,
            )
            prior.fit_data(splits.train, encoder)
        vae = VAE(encoder, decoder, prior)
    console.print(
        f"{len(splits.train)} data of shape {tuple(x.shape[1:])} to train on, "
        f"{len(splits.validation)} to validate; {likelihood.name} likelihood ({likelihood.why}); "
        f"{type(prior).__name__}; {latent_dim} latent dimensions; batches of {batch_size}; "
        f"hidden layers {tuple(hidden_sizes)}; Adamax at {learning_rate:g}.",
        highlight=False,
    )
    train(
        vae,
        splits,
        max_epochs=max_epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        console=console,
    )
    return vae


def default_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int,
    hidden_sizes: Sequence[int],
) -> tuple[GaussianEncoder, BernoulliDecoder | CategoricalDecoder]:
    """Return an untrained encoder and decoder for data of that likelihood and shape."""
    if latent_dim < 1:
        raise ValueError(f"expected at least one latent dimension, got {latent_dim}.")
    encoder = GaussianEncoder(
        MLP(data_shape, (2 * latent_dim,), hidden_sizes), data_range=likelihood.data_range
    )
    if likelihood.name == "bernoulli":
        return encoder, BernoulliDecoder(MLP((latent_dim,), data_shape, hidden_sizes))
    out_shape = (*data_shape, likelihood.num_values)
    return encoder, CategoricalDecoder(MLP((latent_dim,), out_shape, hidden_sizes))


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
) -> "History":
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
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger

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


@dataclass(frozen=True)
class History:
    """How training went.

    Attributes:
        epochs: Epochs trained.
        best_elbo: The best validation ELBO, in nats per datum.

    """

    epochs: int
    best_elbo: float


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
