"""Probability only: `torch.distributions` classes, with no modules and no data."""

from priory.distributions.diagonal_gaussian import loc_and_scale
from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.gaussian_mixture import GaussianMixture
from priory.distributions.marginal import marginal
from priory.distributions.resampled import ResampledDistribution

__all__ = [
    "FactorizedGaussianMixture",
    "GaussianMixture",
    "ResampledDistribution",
    "loc_and_scale",
    "marginal",
]
