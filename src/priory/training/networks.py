"""The encoder and the decoder that go with data, untrained."""

from collections.abc import Sequence

from priory.data import Likelihood
from priory.networks import MLP, BernoulliDecoder, CategoricalDecoder, GaussianEncoder


def make_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int,
    hidden_sizes: Sequence[int],
    network: str = "mlp",
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


def default_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int,
    hidden_sizes: Sequence[int],
) -> tuple[GaussianEncoder, BernoulliDecoder | CategoricalDecoder]:
    """Return `make_networks` with fully connected layers."""
    return make_networks(likelihood, data_shape, latent_dim, hidden_sizes)
