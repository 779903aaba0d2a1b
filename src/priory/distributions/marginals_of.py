"""The one-dimensional marginals of a mixture."""

from torch.distributions import Distribution

from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.gaussian_kl import mixture_of
from priory.distributions.mixture.gaussian_mixture import GaussianMixture


def marginals_of(distribution: Distribution) -> GaussianMixture | None:
    r"""Return the marginals of each dimension, $p_l(z_l) = \sum_k w_k N(z_l|\mu_{kl},\sigma_{kl})$.

    Args:
        distribution: A mixture of diagonal Gaussians, a factorized one, or a diagonal Gaussian,
            without a batch shape.

    Returns:
        Mixtures of batch shape `(L,)` and event shape `(1,)`; None for any other distribution.

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
