"""Likelihoods, one a file: which data each is for, and the encoder and decoder that go with it."""

from priory.data.likelihoods.base import Likelihood
from priory.data.likelihoods.bernoulli import BernoulliLikelihood
from priory.data.likelihoods.categorical import CategoricalLikelihood
from priory.data.likelihoods.choose import LIKELIHOODS, LikelihoodName, choose_likelihood
from priory.data.likelihoods.discretized_logistic import DiscretizedLogisticLikelihood
from priory.data.likelihoods.gaussian import GaussianLikelihood
from priory.data.likelihoods.mixed import MixedLikelihood
from priory.data.likelihoods.negative_binomial import NegativeBinomialLikelihood
from priory.data.likelihoods.poisson import PoissonLikelihood

__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "Likelihood",
    "LikelihoodName",
    "MixedLikelihood",
    "NegativeBinomialLikelihood",
    "PoissonLikelihood",
    "choose_likelihood",
]
