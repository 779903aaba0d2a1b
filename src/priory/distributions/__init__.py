"""Probability only: `torch.distributions` classes, with no modules and no data."""

from priory.distributions.diagonal_gaussian import loc_and_scale
from priory.distributions.discretized_logistic import DiscretizedLogistic
from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.gaussian_mixture import GaussianMixture
from priory.distributions.mixed_columns import MixedColumns

__all__ = [
    "DiscretizedLogistic",
    "FactorizedGaussianMixture",
    "GaussianMixture",
    "MixedColumns",
    "loc_and_scale",
]
