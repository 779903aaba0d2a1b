"""Encoders, from an example to a distribution over latents, and networks for both directions."""

from typing import TYPE_CHECKING, Any

from priory.networks.context import Context
from priory.networks.conv_decoder_network import ConvDecoderNetwork
from priory.networks.conv_encoder_network import ConvEncoderNetwork
from priory.networks.gated_mlp import GatedMLP
from priory.networks.gaussian_encoder import GaussianEncoder
from priory.networks.ladder_encoder import LadderEncoder
from priory.networks.level_encoder import HierarchicalEncoder, JoinedGaussian, LevelGaussian
from priory.networks.mlp import MLP
from priory.networks.normed_mlp import NormedMLP

if TYPE_CHECKING:
    from priory.likelihoods import (
        BernoulliDecoder,
        CategoricalDecoder,
        DiscretizedLogisticDecoder,
        GaussianDecoder,
        MixedDecoder,
        NegativeBinomialDecoder,
        PoissonDecoder,
    )

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
    "HierarchicalEncoder",
    "JoinedGaussian",
    "LadderEncoder",
    "LevelGaussian",
    "MixedDecoder",
    "NegativeBinomialDecoder",
    "NormedMLP",
    "PoissonDecoder",
]


def __getattr__(name: str) -> Any:
    if (
        name in __all__
    ):  # the decoders from before likelihoods had their own package, above this one
        from priory import likelihoods

        return getattr(likelihoods, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
