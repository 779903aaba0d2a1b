"""The encoder and the decoder that go with data, untrained."""

from collections.abc import Callable, Sequence

from torch import nn

from priory.likelihoods import Likelihood
from priory.networks import MLP, ConvDecoderNetwork, ConvEncoderNetwork, GatedMLP, GaussianEncoder

Shape = Sequence[int]
_ToLatents = Callable[[Shape, Shape, Shape], nn.Module]  # data, outputs, hidden sizes
_ToData = Callable[[Shape, Shape, Shape, Shape], nn.Module]  # latents, data, per pixel, hidden


def _mlp_to_data(latents: Shape, data: Shape, pixel: Shape, hidden: Shape) -> nn.Module:
    return MLP(latents, (*data, *pixel), hidden)


def _gated_mlp_to_data(latents: Shape, data: Shape, pixel: Shape, hidden: Shape) -> nn.Module:
    return GatedMLP(latents, (*data, *pixel), hidden)


NETWORKS: dict[str, tuple[_ToLatents, _ToData]] = {
    "mlp": (MLP, _mlp_to_data),
    "gated-mlp": (GatedMLP, _gated_mlp_to_data),
    "conv": (ConvEncoderNetwork, ConvDecoderNetwork),
}


def make_networks(
    likelihood: Likelihood,
    data_shape: Sequence[int],
    latent_dim: int,
    hidden_sizes: Sequence[int] = (256, 256),
    network: str = "mlp",
) -> tuple[GaussianEncoder, nn.Module]:
    """Return an untrained encoder and decoder for data of that likelihood and shape.

    Args:
        likelihood: The likelihood, as `choose_likelihood` gives it.
        data_shape: The shape of one datum; of an image, `(H, W)` or `(C, H, W)`, for `"conv"`.
        latent_dim: The number of latent dimensions L.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder; of `"conv"`,
            those of the dense layers between the convolutions and the latents.
        network: `"mlp"` for fully connected layers, `"gated-mlp"` for gated ones, `"conv"` for
            gated convolutions.

    Raises:
        ValueError: If a size is below one, the data are no images for `"conv"`, or there is no such
            network.

    Examples:
        >>> import torch
        >>> from priory.likelihoods import choose_likelihood
        >>> from priory.training import make_networks
        >>> x = torch.rand(20, 8, 8)
        >>> encoder, decoder = make_networks(choose_likelihood(x), (8, 8), 2, network="conv")
        >>> decoder(encoder(x).sample()).log_prob(x).shape
        torch.Size([20])

    """
    if latent_dim < 1:
        raise ValueError(f"expected at least one latent dimension, got {latent_dim}.")
    if network not in NETWORKS:
        raise ValueError(f"expected network {', '.join(NETWORKS)}, got {network!r}.")
    to_latents, to_data = NETWORKS[network]
    encoder = likelihood.make_encoder(to_latents(data_shape, (2 * latent_dim,), hidden_sizes))
    decoder = to_data((latent_dim,), data_shape, likelihood.pixel_shape, hidden_sizes)
    return encoder, likelihood.make_decoder(decoder, data_shape)
