"""Samples and reconstructions of a model, for figures."""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.aggregate import marginal_prior, posterior_of_all
from priory.arrays import Array
from priory.distributions import GaussianMixture
from priory.evaluation.top_level import top_level
from priory.networks.context import Context, given
from priory.networks.home import taken
from priory.priors import holds_examples
from priory.vae import VAE


@dataclass(frozen=True)
class Exhibit:
    """The content of figures about a trained model.

    Attributes:
        prior: p(z), over all labels if it depends on them; with several levels, that of the top.
        z: One sample of q(z|x) for each example, `(N, L)`; with several levels, of the top.
        data: The first examples, `(R, *data_shape)`.
        reconstructions: A reconstruction of each of them.
        samples: Data decoded from samples of the prior, `(S, *data_shape)`.
        pseudo_inputs: The pseudo-inputs of the prior, heaviest first, `(K, *data_shape)`, or None.
        weights: Their mixing weights, `(K,)`, or None.
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
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 64,
    num_reconstructions: int = 8,
    seed: int = 0,
    context: Context | None = None,
    examples: bool = True,
) -> Exhibit:
    """Draw samples and reconstructions from a model, for figures.

    Args:
        vae: The model, in evaluation mode if that matters.
        x: Held-out data, `(N, *data_shape)`.
        num_samples: The number of samples.
        num_reconstructions: The number of examples to reconstruct.
        seed: The random seed; the global random state is not changed.
        context: The context of these data; labels for the samples are drawn from theirs.
        examples: Whether to show examples; if not, there are no reconstructions, and no
            pseudo-inputs initialised from data.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import exhibit
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> exhibit(VAE(encoder, decoder, StandardPrior(latent_dim=2)), torch.zeros(5, 9)).z.shape
        torch.Size([5, 2])
    """
    x = taken(x, vae.encoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        top = top_level(vae)
        prior = marginal_prior(top, context)
        pseudo_inputs: Tensor | None = getattr(top.prior, "pseudo_inputs", None)
        weights: Tensor | None = None
        if not examples and holds_examples(vae.prior):
            pseudo_inputs = None
        if pseudo_inputs is not None:
            weights, order = cast(GaussianMixture, prior).logits.exp().sort(descending=True)
            pseudo_inputs = pseudo_inputs[order]
        first = slice(num_reconstructions if examples else 0)
        some, context_of_all = given(context)[first], vae.with_exposure(x, context)
        return Exhibit(
            prior=prior,
            z=posterior_of_all(top, x, context).sample(),
            data=x[first],
            reconstructions=vae.reconstruct(x[first], some),
            samples=sample_data(vae, num_samples, context_of_all),
            pseudo_inputs=pseudo_inputs,
            weights=weights,
        )


def sample_data(vae: VAE, num_samples: int, context: Context | None = None) -> Tensor:
    """Draw samples from a model, with the annotations as frequent as in a context.

    Args:
        vae: The model.
        num_samples: The number of samples M.
        context: The context, with labels, batches and exposures if the model needs them.

    Returns:
        The data, `(M, *data_shape)`.
    """
    context = replace(given(context), index=None)
    if not context:
        return vae.sample(num_samples)
    chosen = torch.randint(len(context), (num_samples,))
    return vae.sample(1, context[chosen])[0]
