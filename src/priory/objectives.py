"""What a VAE is trained for and judged by: bounds on log p(x), in nats."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, kl_divergence

from priory.networks.context import Context
from priory.vae import VAE


@dataclass(frozen=True)
class ELBO:
    r"""The evidence lower bound and its two terms, for each datum, in nats.

    Attributes:
        reconstruction: $E_q[\log p(x|z)]$, `(B,)`.
        rate: $E_q[\log q(z|x) - \log p(z)]$, `(B,)`.

    """

    reconstruction: Float[Tensor, " B"]
    rate: Float[Tensor, " B"]

    @property
    def elbo(self) -> Float[Tensor, " B"]:
        """The bound: reconstruction minus rate."""
        return self.reconstruction - self.rate


def elbo(
    vae: VAE,
    x: Tensor,
    num_samples: int = 1,
    *,
    context: Context | None = None,
    kl: Literal["sample", "exact"] = "sample",
) -> ELBO:
    r"""Estimate the evidence lower bound of each datum, at $\beta = 1$.

    $$\log p(x) \ge E_{q(z \mid x)}[\log p(x \mid z) + \log p(z) - \log q(z \mid x)]$$

    The prior is called once, and each datum and each pseudo-input encoded once.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: Samples of z per datum.
        context: What is known of these data.
        kl: `"sample"` estimates the rate from the same samples, in the same way for every prior;
            `"exact"` uses the closed form.

    Raises:
        NotImplementedError: If `kl="exact"` and there is no closed form for this prior.
        ValueError: If `num_samples` is below one.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, equations 2 and 3.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, elbo
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> elbo(vae, torch.zeros(5, 9)).rate.shape
        torch.Size([5])

    """
    p = vae.prior_distribution(context)
    q, z, log_likelihood = _draw(vae, x, num_samples, context)
    rate = kl_divergence(q, p) if kl == "exact" else (q.log_prob(z) - p.log_prob(z)).mean(0)
    return ELBO(reconstruction=log_likelihood.mean(0), rate=rate)


def loss(
    vae: VAE,
    x: Tensor,
    num_samples: int = 1,
    *,
    beta: float = 1.0,
    context: Context | None = None,
    kl: Literal["sample", "exact"] = "sample",
) -> Float[Tensor, ""]:
    r"""Return what training minimises: the batch mean of $\beta \cdot$ rate − reconstruction.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: Samples of z per datum.
        beta: The weight of the rate; at one this is the negative ELBO.
        context: What is known of these data.
        kl: How the rate is computed, as for `elbo`.

    Reference:
        Higgins et al., *beta-VAE*, ICLR 2017, equation 4.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, loss
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> loss(vae, torch.zeros(5, 9), beta=0.5).backward()

    """
    terms = elbo(vae, x, num_samples, context=context, kl=kl)
    return (beta * terms.rate - terms.reconstruction).mean()


def log_weights(
    vae: VAE,
    x: Tensor,
    num_samples: int,
    *,
    context: Context | None = None,
    prior: Distribution | None = None,
) -> Float[Tensor, "S B"]:
    r"""Return the importance weights $\log p(x, z_s) - \log q(z_s \mid x)$ of samples from q.

    The mean of a column is the ELBO's estimate; its log-mean-exp is the importance-weighted bound,
    which tends to log p(x) as S grows.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: The number of samples S per datum.
        context: What is known of these data.
        prior: The prior's distribution, where it was made before (many batches share one).

    Raises:
        ValueError: If `num_samples` is below one.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016, equation 7.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory import log_weights
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> log_weights(vae, torch.zeros(5, 9), num_samples=64).shape
        torch.Size([64, 5])

    """
    p = vae.prior_distribution(context) if prior is None else prior
    q, z, log_likelihood = _draw(vae, x, num_samples, context)
    return log_likelihood + p.log_prob(z) - q.log_prob(z)


def _draw(
    vae: VAE, x: Tensor, num_samples: int, context: Context | None
) -> tuple[Distribution, Tensor, Tensor]:
    if num_samples < 1:
        raise ValueError(f"expected at least one sample of z, got num_samples={num_samples}.")
    q = vae.posterior(x, context)
    z = q.rsample(Size((num_samples,)))
    return q, z, vae.likelihood(z, context).log_prob(x)
