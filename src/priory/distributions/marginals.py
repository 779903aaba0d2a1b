"""Marginals over a batch of distributions, and of each dimension of a mixture."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily

from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.gaussian_kl import mixture_of
from priory.distributions.joint import JointDistribution
from priory.distributions.logits_categorical import LogitsCategorical
from priory.distributions.mixture.gaussian_mixture import GaussianMixture


def marginal(weights: Float[Tensor, " B"], p: Distribution) -> Distribution:
    r"""Return the mixture of a batch of distributions, $p(z) = \sum_b w_b\, p_b(z)$.

    Gaussian mixtures become one Gaussian mixture, with all their components in order; components
    shared by the whole batch are not duplicated. With several levels, the tops are mixed.

    Args:
        weights: The weights w, which sum to one.
        p: The distributions, with batch shape `(B,)`.

    Raises:
        ValueError: If the batch shape differs.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.distributions import marginal
        >>> p = GaussianMixture(torch.zeros(3, 4), torch.randn(3, 4, 2), torch.ones(3, 4, 2))
        >>> marginal(torch.tensor([0.5, 0.5, 0.0]), p).loc.shape
        torch.Size([12, 2])
    """
    if p.batch_shape != weights.shape:
        raise ValueError(
            f"expected a distribution of batch shape {tuple(weights.shape)}, "
            f"got {tuple(p.batch_shape)}."
        )
    if isinstance(p, JointDistribution):
        return p.with_top(marginal(weights, p.top))
    if not isinstance(p, GaussianMixture):
        # p validates the values, and torch's validation fails for a batch of size zero.
        return MixtureSameFamily(LogitsCategorical(weights.log()), p, validate_args=False)
    logits = p.logits + weights.log().unsqueeze(-1)
    if len(weights) > 1 and p.loc.stride(0) == p.scale.stride(0) == 0:
        return GaussianMixture(logits.logsumexp(0), p.loc[0], p.scale[0])
    return GaussianMixture(logits.flatten(), p.loc.flatten(0, 1), p.scale.flatten(0, 1))


def marginals_of(distribution: Distribution) -> GaussianMixture | None:
    r"""Return the marginals of each dimension, $p_l(z_l) = \sum_k w_k N(z_l|\mu_{kl},\sigma_{kl})$.

    Args:
        distribution: A mixture of diagonal Gaussians, a factorized one, or a diagonal Gaussian,
            without a batch shape.

    Returns:
        Mixtures with batch shape `(L,)` and event shape `(1,)`; None for any other distribution.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.distributions import marginals_of
        >>> p = GaussianMixture(torch.zeros(3), torch.randn(3, 2), torch.ones(3, 2))
        >>> marginals_of(p).log_prob(torch.zeros(5, 2, 1)).shape
        torch.Size([5, 2])
    """
    if distribution.batch_shape:
        return None
    p = mixture_of(distribution)
    if p is None and isinstance(distribution, FactorizedGaussianMixture):
        p = GaussianMixture(distribution.logits, distribution.loc, distribution.scale)
    if p is None:
        return None
    loc, scale = (t.mT.unsqueeze(-1) for t in (p.loc, p.scale))
    return GaussianMixture(p.logits.unsqueeze(-2), loc, scale, validate_args=False)
