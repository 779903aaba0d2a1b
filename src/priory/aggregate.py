"""The aggregated posterior."""

import torch
from torch import Tensor

from priory.distributions import GaussianMixture, loc_and_scale
from priory.networks.context import Encoder


@torch.no_grad()
def aggregated_posterior(encoder: Encoder, data: Tensor, batch_size: int = 4096) -> GaussianMixture:
    r"""Return the mixture of the posteriors of all data, each with the same weight.

    $$q(z) = \frac{1}{N} \sum_{n=1}^N q(z \mid x_n)$$

    The encoder is run as it stands (put it in evaluation mode first where that matters), in batches
    and without a gradient.

    Args:
        encoder: The module that returns q(z|x) as a diagonal Gaussian.
        data: The data, `(N, *data_shape)`.
        batch_size: How many data are encoded at a time.

    Raises:
        TypeError: If the encoder returns anything but a diagonal Gaussian.
        ValueError: If there are no data.

    Reference:
        Makhzani et al., *Adversarial Autoencoders*, 2016; Hoffman & Johnson, *ELBO surgery*, 2016.

    Examples:
        >>> import torch
        >>> from priory import MLP, GaussianEncoder, aggregated_posterior
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> aggregated_posterior(encoder, torch.zeros(100, 8, 8)).loc.shape
        torch.Size([100, 2])

    """
    if len(data) == 0:
        raise ValueError("expected at least one datum, got none.")
    parts = [loc_and_scale(encoder(batch)) for batch in data.split(batch_size)]
    loc, scale = (torch.cat(part) for part in zip(*parts, strict=True))
    return GaussianMixture(loc.new_zeros(len(loc)), loc, scale)
