"""The importance-weighted bound, and a gradient whose signal does not fade."""

import math
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array
from priory.distributions import detached
from priory.networks.calls import at_home
from priory.networks.context import Context
from priory.objectives import Sampler, reparameterised
from priory.vae import VAE


def importance_weighted_loss(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int,
    *,
    gradient: Literal["reparameterised", "doubly-reparameterised"] = "doubly-reparameterised",
    context: Context | None = None,
    sampler: Sampler = reparameterised,
) -> Float[Tensor, ""]:
    r"""Return the negative importance-weighted bound, averaged over a batch, in nats.

    $$\log p(x) \ge E\Big[\log \frac{1}{S} \sum_{s=1}^S w_s\Big] \ge \text{ELBO}, \qquad
    w_s = \frac{p(x, z_s)}{q(z_s \mid x)}$$

    The value is that of the bound for either gradient. The signal-to-noise ratio of the posterior's
    plain gradient falls as S grows; the doubly reparameterised one, which weights the path through
    $z_s$ with the square of the normalised weight and drops the rest, has the same mean and keeps
    its signal. The prior's gradient, also through the encoder if the prior calls it, is the plain
    one.

    Args:
        vae: The model; its posterior is a diagonal Gaussian, or levels of them.
        x: Data, `(B, *data_shape)`.
        num_samples: The number of samples S per example.
        gradient: Which gradient to use.
        context: The context of these data.
        sampler: A function that draws z, `sampler(q, num_samples)`, to use your own noise.

    Raises:
        TypeError: If the posterior is neither a diagonal Gaussian nor levels of them.
        ValueError: If `num_samples` is below one, or the gradient is unknown.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016, equations 8 and 14; Tucker et
        al., *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*, ICLR 2019,
        equation 8.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory import importance_weighted_loss
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> importance_weighted_loss(vae, torch.zeros(5, 9), num_samples=8).backward()
    """
    if gradient not in ("reparameterised", "doubly-reparameterised"):
        raise ValueError(
            f"expected gradient='reparameterised' or 'doubly-reparameterised', got {gradient!r}."
        )
    twice = gradient == "doubly-reparameterised"
    p = vae.prior_distribution(context)
    x = at_home(x, vae.encoder)
    q = vae.posterior(x, context)
    z = sampler(q, num_samples)
    if twice:
        q = detached(q)
    log_likelihood = vae.likelihood(z, vae.with_exposure(x, context)).log_prob(x)
    log_weights = log_likelihood + p.log_prob(z) - q.log_prob(z)
    bound = log_weights.logsumexp(0) - math.log(num_samples)  # (B,)
    if twice and z.requires_grad:
        # The incoming gradient of z already contains the normalised weight once.
        weight = log_weights.detach().softmax(0).unsqueeze(-1)
        z.register_hook(lambda grad: grad * weight.to(grad))
    return -bound.mean()
