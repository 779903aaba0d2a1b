"""How many components does the aggregated posterior use?"""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.special import entr

from priory.distributions import FactorizedGaussianMixture, GaussianMixture


def components_in_use(prior: Distribution, z: Float[Tensor, "N L"]) -> float | None:
    r"""Return the perplexity of the mean responsibilities over samples from q(z).

    $$\exp H\Big(\frac{1}{N} \sum_n p(k \mid z_n)\Big)$$

    It is K when all components carry the same share of the data, and one when a single component
    carries them all.

    Args:
        prior: The prior's distribution.
        z: Samples from the aggregated posterior.

    Returns:
        A number between 1 and K, or None for a prior that is no mixture.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> from priory.evaluation import components_in_use
        >>> apart = torch.tensor([[-50.0], [50.0]])
        >>> p = GaussianMixture(torch.zeros(2), apart, torch.ones(2, 1))
        >>> round(components_in_use(p, apart), 3), round(components_in_use(p, apart[:1]), 3)
        (2.0, 1.0)

    """
    if not isinstance(prior, GaussianMixture | FactorizedGaussianMixture):
        return None
    share = prior.responsibilities(z).flatten(0, -2).mean(0)
    return float(entr(share).sum().exp())
