"""Divergences of mixtures that have a closed form: those with a single component."""

import math
from itertools import product

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.distributions.kl import register_kl

from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.mixture.gaussian_mixture import GaussianMixture


def mixture_of(distribution: Distribution) -> GaussianMixture | None:
    """Return a diagonal Gaussian as a one-component mixture, and a mixture unchanged; or None.

    Examples:
        >>> from priory import StandardPrior
        >>> from priory.distributions.gaussian_kl import mixture_of
        >>> mixture_of(StandardPrior(latent_dim=2)()).loc.shape
        torch.Size([1, 2])
    """
    match distribution:
        case GaussianMixture():
            return distribution
        case FactorizedGaussianMixture() if (
            distribution.loc.shape[-2] == 1
        ):  # then it is a Gaussian too
            return GaussianMixture(
                distribution.logits, distribution.loc, distribution.scale, validate_args=False
            )
        case Independent(base_dist=Normal(loc=loc, scale=scale), reinterpreted_batch_ndims=1):
            logits = loc.new_zeros(*loc.shape[:-1], 1)
            return GaussianMixture(
                logits, loc.unsqueeze(-2), scale.unsqueeze(-2), validate_args=False
            )
    return None


def entropy(scale: Float[Tensor, "*batch L"]) -> Float[Tensor, "*batch"]:
    """Return the entropy of diagonal Gaussians, in nats."""
    return scale.log().sum(-1) + 0.5 * (1 + math.log(2 * math.pi)) * scale.shape[-1]


def _single_components(q: Distribution, p: Distribution) -> Tensor:
    pair = []
    for name, distribution in (("q", q), ("p", p)):
        mixture = mixture_of(distribution)
        if mixture is None or mixture.loc.shape[-2] != 1:
            loc = getattr(distribution, "loc", None)
            raise NotImplementedError(
                f"no closed form of KL(q‖p) is known where {name} is of type "
                f"{type(distribution).__name__}"
                + (" with several components" if isinstance(loc, Tensor) else "")
                + "; use a bound, or estimate it from samples."
            )
        loc, scale = mixture.loc.squeeze(-2), mixture.scale.squeeze(-2)
        pair.append(Normal(loc, scale, validate_args=False))
    return kl_divergence(*pair).sum(-1)


_OURS = (GaussianMixture, FactorizedGaussianMixture)
for _pair in (*product(_OURS, (*_OURS, Independent)), *product((Independent,), _OURS)):
    register_kl(*_pair)(_single_components)
