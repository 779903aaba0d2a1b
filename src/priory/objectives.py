"""Objectives for training and evaluating a VAE: bounds on log p(x), in nats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, kl_divergence

from priory.arguments import one_of
from priory.arrays import Array
from priory.distributions import detached, kl_lower_bound, kl_upper_bound, rates
from priory.networks.calls import at_home
from priory.networks.context import Context
from priory.vae import VAE

Rate = Literal["sample", "exact", "upper", "lower"]
Gradient = Literal["reparameterised", "path"]
ANALYTIC_RATES: dict[str, Callable[[Distribution, Distribution], Tensor]] = {
    "exact": kl_divergence,
    "upper": kl_upper_bound,
    "lower": kl_lower_bound,
}


@dataclass(frozen=True)
class ELBO:
    r"""The evidence lower bound and its two terms, for each example, in nats.

    Attributes:
        reconstruction: $E_q[\log p(x|z)]$, `(B,)`.
        rate: $E_q[\log q(z|x) - \log p(z)]$, `(B,)`.
        rates: Its terms, one per level of z, starting next to the data, `(T, B)`.
    """

    reconstruction: Float[Tensor, " B"]
    rate: Float[Tensor, " B"]
    rates: Float[Tensor, "T B"]

    @property
    def elbo(self) -> Float[Tensor, " B"]:
        """The bound: reconstruction minus rate."""
        return self.reconstruction - self.rate


Sampler = Callable[[Distribution, int], Tensor]
"""A function from q(z|x), with batch shape `(B,)`, and S to samples with gradients, `(S, B, L)`."""


def reparameterised(q: Distribution, num_samples: int) -> Float[Tensor, "S B L"]:
    """Draw S samples, at least one, with gradients, from each of a batch of posteriors."""
    if num_samples < 1:
        raise ValueError(f"expected at least one sample of z, got num_samples={num_samples}.")
    return q.rsample(Size((num_samples,)))


def elbo(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 1,
    *,
    context: Context | None = None,
    kl: Rate = "sample",
    prior: Distribution | None = None,
    sampler: Sampler = reparameterised,
    gradient: Gradient = "reparameterised",
) -> ELBO:
    r"""Estimate the evidence lower bound of each example, at $\beta = 1$.

    $$\log p(x) \ge E_{q(z \mid x)}[\log p(x \mid z) + \log p(z) - \log q(z \mid x)]$$

    The prior is called once, and each example and each pseudo-input is encoded once.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: Samples of z per example.
        context: The context of these data.
        kl: `"sample"` estimates the rate from the same samples, in the same way for every prior;
            `"exact"` uses the closed form; `"upper"` and `"lower"` use a bound, for a posterior
            that is a diagonal Gaussian and a prior that is a mixture of them. With `"upper"` the
            ELBO remains a lower bound on log p(x), with `"lower"` it may not.
        prior: The prior's distribution, if it has already been computed (many batches can share
            one).
        sampler: A function that draws z, `sampler(q, num_samples)`, to use your own noise.
        gradient: The gradient of the rate for the posterior: `"reparameterised"` is the full
            gradient; `"path"` is only that along the path through z, without the score, whose mean
            is zero. The values and the mean of the gradient are the same; the path gradient has no
            noise if q(z|x) is the posterior of the model.

    Raises:
        NotImplementedError: If there is no closed form, or no bound, for this prior.
        TypeError: If the path gradient is requested and the posterior is neither a diagonal
            Gaussian nor levels of them.
        ValueError: If `num_samples` is below one, or `kl` or the gradient is unknown.

    Reference:
        Kingma & Welling, *Auto-Encoding Variational Bayes*, 2014, equations 2 and 3; for the path,
        Roeder et al., *Sticking the Landing*, NeurIPS 2017.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, elbo
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> elbo(vae, torch.zeros(5, 9)).rate.shape
        torch.Size([5])
    """
    if kl != "sample" and kl not in ANALYTIC_RATES:
        raise ValueError(f"expected kl='sample', 'exact', 'upper' or 'lower', got {kl!r}.")
    one_of(get_args(Gradient), gradient=gradient)
    p = vae.prior_distribution(context) if prior is None else prior
    q, z, log_likelihood = _draw(vae, x, num_samples, context, sampler)
    if analytic := ANALYTIC_RATES.get(kl):
        levels = analytic(q, p).unsqueeze(0)
    else:
        density = detached(q) if gradient == "path" else q
        levels = torch.stack([rate.mean(0) for rate in rates(density, p, z)])
    return ELBO(reconstruction=log_likelihood.mean(0), rate=levels.sum(0), rates=levels)


def loss(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 1,
    *,
    beta: float | Sequence[float] = 1.0,
    free_bits: float | Sequence[float] = 0.0,
    context: Context | None = None,
    kl: Rate = "sample",
    sampler: Sampler = reparameterised,
    gradient: Gradient = "reparameterised",
) -> Float[Tensor, ""]:
    r"""Return the training loss, $\beta \max(\text{rate}, \lambda) - \text{reconstruction}$.

    Both are means over the batch. Without free bits ($\lambda = 0$) the rate is used unchanged.
    With several levels of z the first term is $\sum_l \beta_l \max(\text{rate}_l, \lambda_l)$.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: Samples of z per example.
        beta: The weight of the rate; at one this is the negative ELBO. A sequence has one weight
            per level, starting next to the data.
        free_bits: The mean rate λ of a level, in nats, below which the loss does not fall further;
            a sequence has one per level.
        context: The context of these data.
        kl: How the rate is computed, as in `elbo`.
        sampler: A function that draws z, `sampler(q, num_samples)`, to use your own noise.
        gradient: The gradient for the posterior, as in `elbo`.

    Raises:
        ValueError: If `free_bits` is negative, or the number of weights, or of free bits, is not
            the number of levels.

    Reference:
        Higgins et al., *beta-VAE*, ICLR 2017, equation 4; Kingma et al., *Improved Variational
        Inference with Inverse Autoregressive Flow*, NeurIPS 2016, appendix C.8, with one subset.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior, loss
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> loss(vae, torch.zeros(5, 9), beta=0.5).backward()
    """
    options = {"context": context, "kl": kl, "sampler": sampler, "gradient": gradient}
    terms = elbo(vae, x, num_samples, **options)  # type: ignore[arg-type]
    levels = terms.rates.mean(-1)
    weights, least = _of_levels("beta", beta, levels), _of_levels("free_bits", free_bits, levels)
    if min(least) < 0:
        raise ValueError(f"expected free bits of at least zero, got {free_bits}.")
    cost = [
        weight * (rate.clamp_min(bits) if bits > 0 else rate)
        for rate, weight, bits in zip(levels, weights, least, strict=True)
    ]
    return torch.stack(cost).sum() - terms.reconstruction.mean()


def _of_levels(name: str, value: float | Sequence[float], levels: Tensor) -> Sequence[float]:
    """Return one number per level."""
    if isinstance(value, (int, float)):
        return [value] * len(levels)
    if len(value) != len(levels):
        raise ValueError(
            f"expected {name} as a number, or one for each of {len(levels)} levels, got "
            f"{len(value)} numbers."
        )
    return value


def log_weights(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int,
    *,
    context: Context | None = None,
    prior: Distribution | None = None,
) -> Float[Tensor, "S B"]:
    r"""Return the importance weights $\log p(x, z_s) - \log q(z_s \mid x)$ of samples from q.

    The mean of a column is the ELBO's estimate; its log-mean-exp is the importance-weighted bound,
    which converges to log p(x) as S grows.

    Args:
        vae: The model.
        x: Data, `(B, *data_shape)`.
        num_samples: The number of samples S per example.
        context: The context of these data.
        prior: The prior's distribution, if it has already been computed (many batches can share
            one).

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
    vae: VAE,
    x: Tensor | Array,
    num_samples: int,
    context: Context | None,
    sampler: Sampler = reparameterised,
) -> tuple[Distribution, Tensor, Tensor]:
    x = at_home(x, vae.encoder)
    q = vae.posterior(x, context)
    z = sampler(q, num_samples)
    return q, z, vae.likelihood(z, vae.with_exposure(x, context)).log_prob(x)
