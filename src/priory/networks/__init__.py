"""Modules from a datum to a distribution over latents, and from latents to one over data."""

from priory.networks.bernoulli_decoder import BernoulliDecoder
from priory.networks.categorical_decoder import CategoricalDecoder
from priory.networks.context import Context
from priory.networks.conv_decoder_network import ConvDecoderNetwork
from priory.networks.conv_encoder_network import ConvEncoderNetwork
from priory.networks.discretized_logistic_decoder import DiscretizedLogisticDecoder
from priory.networks.gated_mlp import GatedMLP
from priory.networks.gaussian_decoder import GaussianDecoder
from priory.networks.gaussian_encoder import GaussianEncoder
from priory.networks.mixed_decoder import MixedDecoder
from priory.networks.mlp import MLP
from priory.networks.negative_binomial_decoder import NegativeBinomialDecoder
from priory.networks.poisson_decoder import PoissonDecoder

__all__ = [
    "MLP",
    "BernoulliDecoder",
    "CategoricalDecoder",
    "Context",
    "ConvDecoderNetwork",
    "ConvEncoderNetwork",
    "DiscretizedLogisticDecoder",
    "GatedMLP",
    "GaussianDecoder",
    "GaussianEncoder",
    "MixedDecoder",
    "NegativeBinomialDecoder",
    "PoissonDecoder",
]
