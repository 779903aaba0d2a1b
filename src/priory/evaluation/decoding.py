"""What data do points of the latent space stand for?"""

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent

from priory.networks.context import Context
from priory.vae import VAE

AT_ONCE = 1024


@torch.no_grad()
def decode(vae: VAE, z: Tensor, context: Context | None = None, mean: bool = False) -> Tensor:
    r"""Draw a datum from p(x|z) for each z, or take its mean, in blocks.

    Args:
        vae: The model.
        z: Points of the latent space, `(M, L)`.
        context: What is known of these data, for a decoder that is told of labels.
        mean: Whether to take $E[x \mid z]$ and not a draw. The values of a categorical likelihood
            are taken as numbers; of a one-hot block the mean is its probabilities.

    Returns:
        The data, `(M, *data_shape)`.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, CategoricalDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import decode
        >>> encoder = GaussianEncoder(MLP((9,), (4,)))
        >>> vae = VAE(encoder, CategoricalDecoder(MLP((2,), (9, 3))), StandardPrior(latent_dim=2))
        >>> decode(vae, torch.zeros(5, 2), mean=True).shape
        torch.Size([5, 9])

    """
    parts = []
    for start in range(0, len(z), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        likelihood = vae.likelihood(z[rows], None if context is None else context[rows])
        parts.append(_mean(likelihood) if mean else likelihood.sample())
    return torch.cat(parts)


def _mean(likelihood: Distribution) -> Tensor:
    match likelihood:
        case Independent(base_dist=Categorical() as values):  # of which torch has no mean
            probs = values.probs
            return probs @ torch.arange(probs.shape[-1], dtype=probs.dtype, device=probs.device)
    return likelihood.mean
