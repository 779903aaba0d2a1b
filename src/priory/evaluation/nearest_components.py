"""The components of a large mixture that matter for an example."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from priory.distributions import GaussianMixture, loc_and_scale
from priory.distributions.mixture.kernel import component_log_prob


@dataclass(frozen=True)
class NearestComponents:
    """Some components of a mixture for each example, with their weights.

    Attributes:
        mixture: These components, with weights that sum to one, with batch shape `(B,)`.
        log_mass: The logarithm of their total weight, `(B,)`.
    """

    mixture: GaussianMixture
    log_mass: Float[Tensor, " B"]

    def log_prob(self, z: Float[Tensor, "S B L"]) -> Float[Tensor, "S B"]:
        """Return the log-density of only these components, which is at most that of all."""
        return self.mixture.log_prob(z) + self.log_mass


@torch.no_grad()
def nearest_components(p: GaussianMixture, q: Distribution, number: int) -> NearestComponents:
    r"""Return the components that best explain each of several posteriors.

    The best are those with the largest weighted expected log-density,

    $$\log w_k + E_{q(z \mid x)}[\log p_k(z)] = \log w_k + \log p_k(\mu(x))
    - \frac12 \sum_l \frac{\sigma_l^2(x)}{\sigma_{kl}^2}.$$

    Leaving out positive terms of a sum gives a lower bound: the density is never too large.

    Args:
        p: The mixture, without a batch shape.
        q: Posteriors, diagonal Gaussians with batch shape `(B,)`.
        number: The number of components to use.

    Raises:
        TypeError: If the posteriors are not diagonal Gaussians.
    """
    loc, scale = loc_and_scale(q)
    fit = component_log_prob(loc, p.logits, p.loc, p.scale)  # (B, K)
    fit = fit - 0.5 * (scale.square() @ p.scale.square().reciprocal().mT).to(fit)
    chosen = fit.topk(min(number, fit.shape[-1]), sorted=False).indices
    logits = p.logits[chosen]
    mixture = GaussianMixture(logits, p.loc[chosen], p.scale[chosen])
    return NearestComponents(mixture, logits.logsumexp(-1))
