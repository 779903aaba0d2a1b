"""From an array to a trained model in one call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.data import Source, split
from priory.extras import needs
from priory.likelihoods import choose_likelihood
from priory.priors import Prior
from priory.training.build import build
from priory.training.loop import train
from priory.training.settings import TrainingSettings
from priory.vae import VAE

with needs("train"):
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
