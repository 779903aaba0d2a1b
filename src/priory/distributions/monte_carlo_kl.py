"""A divergence from samples, with its standard error."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.distributions.mixture.blocks import working_dtype
from priory.distributions.mixture.gaussian_mixture import GaussianMixture
from priory.distributions.torch_distributions import log_prob_of


@dataclass(frozen=True)
class KLEstimate:
    r"""An estimate of $KL(q \| p)$ from samples of q, in nats.

    Attributes:
        value: The estimate, with the batch shape of q and p.
        standard_error: Its standard error over the samples.
    """

    value: Float[Tensor, "*batch"]
    standard_error: Float[Tensor, "*batch"]


@torch.no_grad()
def monte_carlo_kl(q: Distribution, p: Distribution, num_samples: int = 1000) -> KLEstimate:
    r"""Estimate $KL(q \| p) = E_q[\log q(z) - \log p(z)]$ from samples of q, for any q and p.

    A `GaussianMixture` without a batch shape is sampled by strata: the same number of samples from
    each of its components, combined with their weights, so that the choice of components adds no
    noise. The standard error is that of the strata. If there are fewer than two samples per
    component, they are drawn from the whole mixture.

    Args:
        q: The distribution to sample, such as the aggregated posterior.
        p: The distribution to compare with, such as a prior.
        num_samples: The total number of samples per member of a batch; strata use the largest
            multiple of their number up to it.

    Raises:
        ValueError: If there are fewer than two samples.

    Reference:
        Hershey & Olsen, *Approximating the Kullback Leibler divergence between Gaussian mixture
        models*, ICASSP 2007; for strata, Owen, *Monte Carlo theory, methods and
        examples*, 2013, section 8.4.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture, StandardPrior
        >>> from priory.distributions import monte_carlo_kl
        >>> q = GaussianMixture(torch.zeros(2), torch.tensor([[-2.0], [2.0]]), torch.ones(2, 1))
        >>> bool(monte_carlo_kl(q, StandardPrior(latent_dim=1)()).standard_error < 0.1)
        True
    """
    if num_samples < 2:
        raise ValueError(f"expected at least two samples, got num_samples={num_samples}.")
    if isinstance(q, GaussianMixture) and not q.batch_shape and not p.batch_shape:
        dtype = working_dtype(q.logits.device)
        weights = q.logits.exp().to(dtype)
        used = weights > 0
        weights, loc, scale = weights[used], q.loc[used], q.scale[used]
        each = num_samples // len(weights)
        if each >= 2:
            z = torch.normal(loc.expand(each, -1, -1), scale.expand(each, -1, -1))
            ratio = (q.log_prob(z) - log_prob_of(p, z)).to(dtype)  # (each, K)
            variance = weights.square() @ (ratio.var(0) / each)
            return KLEstimate(weights @ ratio.mean(0), variance.sqrt())
    z = q.sample(Size((num_samples,)))
    ratio = (log_prob_of(q, z) - log_prob_of(p, z)).to(working_dtype(z.device))
    return KLEstimate(ratio.mean(0), standard_error(ratio))


def standard_error(samples: Float[Tensor, "S *batch"]) -> Float[Tensor, "*batch"]:
    """Return the standard error of the mean over samples; torch's `std` warns if empty."""
    return samples.std(0) / len(samples) ** 0.5 if samples.numel() else samples.sum(0)
