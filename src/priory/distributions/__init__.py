"""Only probability: `torch.distributions` classes, without modules or data."""

from priory.distributions.discretized_logistic_distribution import DiscretizedLogistic
from priory.distributions.factorized_gaussian_mixture import FactorizedGaussianMixture
from priory.distributions.joint import (
    Conditional,
    JointDistribution,
    JointPosterior,
    detached,
    rates,
    terms,
)
from priory.distributions.joint import top_of as top_of
from priory.distributions.joint import top_part as top_part
from priory.distributions.kl_bounds import kl_lower_bound, kl_upper_bound, kl_variational
from priory.distributions.log_mean_negative_binomial import LogMeanNegativeBinomial
from priory.distributions.log_mean_poisson import LogMeanPoisson
from priory.distributions.logits_categorical import LogitsCategorical
from priory.distributions.marginals import marginal, marginals_of
from priory.distributions.mixed_columns import MixedColumns
from priory.distributions.mixture.blocks import widened as widened
from priory.distributions.mixture.blocks import working_dtype
from priory.distributions.mixture.gaussian_mixture import GaussianMixture
from priory.distributions.mixture.sharded import ShardedGaussianMixture
from priory.distributions.monte_carlo_kl import KLEstimate, monte_carlo_kl
from priory.distributions.resampled_distribution import ResampledDistribution
from priory.distributions.torch_distributions import loc_and_scale, without_argument_checks

__all__ = [
    "Conditional",
    "DiscretizedLogistic",
    "FactorizedGaussianMixture",
    "GaussianMixture",
    "JointDistribution",
    "JointPosterior",
    "KLEstimate",
    "LogMeanNegativeBinomial",
    "LogMeanPoisson",
    "LogitsCategorical",
    "MixedColumns",
    "ResampledDistribution",
    "ShardedGaussianMixture",
    "detached",
    "kl_lower_bound",
    "kl_upper_bound",
    "kl_variational",
    "loc_and_scale",
    "marginal",
    "marginals_of",
    "monte_carlo_kl",
    "rates",
    "terms",
    "without_argument_checks",
    "working_dtype",
]
