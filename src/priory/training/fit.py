"""From an array to a trained model in one call."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from priory.data import Likelihood, Source, choose_likelihood, split
from priory.extras import needs
from priory.networks import MLP, BernoulliDecoder, CategoricalDecoder, GaussianEncoder
from priory.priors import Prior, make_prior
from priory.training.settings import TrainingSettings
from priory.training.train import train
from priory.vae import VAE

with needs("train"):
    from rich.console import Console


def fit(
    x: Tensor | NDArray[Any],
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
        x: Data of whole numbers from zero, `(N, *data_shape)`; zeros and ones get a Bernoulli
            likelihood, more values a categorical one.
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
    x = torch.as_tensor(x, dtype=torch.float32)
    likelihood = choose_likelihood(x)
    how = TrainingSettings(**settings)
    splits = split(Source("data", x), test=0.0, seed=how.seed)
    if latent_dim is None and isinstance(prior, Prior):
        latent_dim = getattr(prior, "latent_dim", None)
    if latent_dim is None:
        latent_dim = min(40, max(2, math.prod(x.shape[1:]) // 4))
    if num_components is None:
        num_components = min(500, max(1, len(splits.train) // 20))
    how = replace(how, batch_size=how.batch_size_for(len(splits.train)))
    console = Console(quiet=not verbose)
    with torch.random.fork_rng():
        torch.manual_seed(how.seed)
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
        prior.fit_data(splits.train.tensor(), encoder)
        vae = VAE(encoder, decoder, prior)
    console.print(
        f"{len(splits.train)} data of shape {tuple(x.shape[1:])} to train on, "
        f"{len(splits.validation)} to validate; {likelihood.name} likelihood ({likelihood.why}); "
        f"{prior}; {latent_dim} latent dimensions; hidden layers {tuple(hidden_sizes)}; {how}.",
        highlight=False,
    )
    train(vae, splits, how, console=console)
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
