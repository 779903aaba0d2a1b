"""The aggregated posterior, and the prior over all labels."""

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from priory.arrays import Array
from priory.distributions import GaussianMixture, loc_and_scale, marginal, widened
from priory.networks.calls import Encoder, num_labels_of
from priory.networks.context import Context, given
from priory.networks.home import home_of, taken
from priory.priors.parts.posteriors import encode_in_blocks
from priory.vae import VAE


@torch.no_grad()
def aggregated_posterior(
    encoder: Encoder,
    data: Tensor | Array,
    batch_size: int = 1024,
    context: Context | None = None,
) -> GaussianMixture:
    r"""Return the mixture of the posteriors of all data, with equal weights.

    $$q(z) = \frac{1}{N} \sum_{n=1}^N q(z \mid x_n)$$

    The encoder is run in its current mode (put it in evaluation mode first if that matters),
    without gradients and in batches, which are moved to its device.

    Args:
        encoder: The module that returns q(z|x) as a diagonal Gaussian.
        data: The data, `(N, *data_shape)`.
        batch_size: The number of examples to encode at a time.
        context: The context of these data, for an encoder that takes one.

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
    data = taken(data, encoder)
    if len(data) == 0:
        raise ValueError("expected at least one example, got none.")
    context = given(context)
    context.check_batch(len(data))
    loc, scale = encode_in_blocks(encoder, data, context, most=batch_size)
    return GaussianMixture(loc.new_zeros(len(loc)), loc, scale)


@torch.no_grad()
def posterior_of_all(vae: VAE, x: Tensor | Array, context: Context | None = None) -> Distribution:
    """Return q(z|x) of all data, `(N,)`, encoded in blocks if it is a diagonal Gaussian."""
    x = taken(x, vae.encoder)
    first = vae.posterior(x[:1], given(context)[:1])
    try:
        loc_and_scale(first)
    except TypeError:  # other distributions cannot be concatenated
        return vae.posterior(x, context)
    q = aggregated_posterior(vae.posterior, x, context=context)
    return Independent(Normal(q.loc, q.scale, validate_args=False), 1, validate_args=False)


@torch.no_grad()
def marginal_prior(vae: VAE, context: Context | None = None) -> Distribution:
    r"""Return the prior for an example with unknown label, with labels as frequent as in a context.

    $$p(z) = \sum_y \mathrm{freq}(y)\, p(z \mid y)$$

    A prior that does not depend on labels is returned unchanged.

    Args:
        vae: The model.
        context: A context with the labels of examples, `(N,)`.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, ConditionalMoGPrior, Context
        >>> from priory import GaussianEncoder
        >>> from priory.aggregate import marginal_prior
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, ConditionalMoGPrior(2, num_components=4, num_labels=3))
        >>> marginal_prior(vae, Context(labels=torch.tensor([0, 1, 1, 2]))).loc.shape
        torch.Size([12, 2])
    """
    context, num_labels = given(context), num_labels_of(vae.prior)
    if context.label_shares is not None:
        shares, count = context.label_shares.unique(dim=0, return_counts=True)
        all_labels = Context(label_shares=shares)
    elif context.labels is None:
        return vae.prior_distribution()
    elif num_labels is not None:
        count = torch.bincount(context.labels, minlength=num_labels)  # also for labels without data
        all_labels = Context(labels=torch.arange(len(count), device=count.device))
    else:
        labels, count = context.labels.unique(return_counts=True)
        all_labels = Context(labels=labels)
    p = vae.prior_distribution(all_labels)
    if not p.batch_shape:
        return p
    home = home_of(vae)
    weights = widened(count) / count.sum()
    return marginal(weights if home is None else weights.to(*home), p)
