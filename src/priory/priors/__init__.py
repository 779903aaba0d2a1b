"""Priors p(z): each a module called as `prior(encoder, context=None)`."""

from priory.priors.base import Prior
from priory.priors.conditional_mog import ConditionalMoGPrior
from priory.priors.conditional_vamp import ConditionalVampPrior
from priory.priors.exemplar import ExemplarPrior
from priory.priors.flow import FlowPrior
from priory.priors.gtm import GTMPrior
from priory.priors.gtm_vamp import GTMVampPrior
from priory.priors.hierarchical import HierarchicalPrior
from priory.priors.mixture import MixturePrior
from priory.priors.mog import MoGPrior
from priory.priors.parts import holds_examples as holds_examples
from priory.priors.parts.usage import Pruned, Reseedable, prune
from priory.priors.registry import make_prior, prior_class, prior_classes, prior_of
from priory.priors.resampled import ResampledPrior
from priory.priors.standard import StandardPrior
from priory.priors.vamp import VampPrior

__all__ = [
    "ConditionalMoGPrior",
    "ConditionalVampPrior",
    "ExemplarPrior",
    "FlowPrior",
    "GTMPrior",
    "GTMVampPrior",
    "HierarchicalPrior",
    "MixturePrior",
    "MoGPrior",
    "Prior",
    "Pruned",
    "ResampledPrior",
    "Reseedable",
    "StandardPrior",
    "VampPrior",
    "make_prior",
    "prior_class",
    "prior_classes",
    "prior_of",
    "prune",
]
