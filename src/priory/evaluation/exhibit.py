"""What does a model look like?"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.vae import VAE


@dataclass(frozen=True)
class Exhibit:
    """What a trained model has to show; figures are drawn from it.

    Attributes:
        prior: p(z).
        z: One sample of q(z|x) for each datum, `(N, L)`.
        data: The first data, `(R, *data_shape)`.
        reconstructions: A reconstruction of each of them.
        samples: Data decoded from samples of the prior, `(S, *data_shape)`.
        pseudo_inputs: Those of the prior, heaviest first, `(K, *data_shape)`; None without.
        weights: Their mixing weights, `(K,)`; else None.

    """

    prior: Distribution
    z: Tensor
    data: Tensor
    reconstructions: Tensor
    samples: Tensor
    pseudo_inputs: Tensor | None
    weights: Tensor | None


@torch.no_grad()
def exhibit(
    vae: VAE, x: Tensor, num_samples: int = 64, num_reconstructions: int = 8, seed: int = 0
) -> Exhibit:
    """Draw from a model what there is to look at.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Held-out data, `(N, *data_shape)`.
        num_samples: How many data to sample.
        num_reconstructions: How many data to reconstruct.
        seed: The seed of the noise; the generator of the caller is left as it was.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import exhibit
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> exhibit(VAE(encoder, decoder, StandardPrior(latent_dim=2)), torch.zeros(5, 9)).z.shape
        torch.Size([5, 2])

    """
    pseudo_inputs: Tensor | None = getattr(vae.prior, "pseudo_inputs", None)
    weights: Tensor | None = None
    if pseudo_inputs is not None:
        weights, order = cast(Tensor, vae.prior.logits).softmax(-1).sort(descending=True)
        pseudo_inputs = pseudo_inputs[order]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Exhibit(
            prior=vae.prior_distribution(),
            z=vae.posterior(x).sample(),
            data=x[:num_reconstructions],
            reconstructions=vae.reconstruct(x[:num_reconstructions]),
            samples=vae.sample(num_samples),
            pseudo_inputs=pseudo_inputs,
            weights=weights,
        )
