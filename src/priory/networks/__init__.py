"""Modules from a datum to a distribution over latents, and from latents to one over data."""

from priory.networks.bernoulli_decoder import BernoulliDecoder
from priory.networks.categorical_decoder import CategoricalDecoder
from priory.networks.context import Context
from priory.networks.gaussian_encoder import GaussianEncoder
from priory.networks.mlp import MLP

__all__ = ["MLP", "BernoulliDecoder", "CategoricalDecoder", "Context", "GaussianEncoder"]
