"""Likelihoods, one per file: its decoder, its support, its range and which data it suits."""

from priory.likelihoods.choose import *  # noqa: F403
from priory.likelihoods.choose import LIKELIHOODS

__all__ = sorted(
    {"LIKELIHOODS", "Likelihood", "LikelihoodName", "choose_likelihood"}.union(
        *({kind.__name__, kind.decoder.__name__} for kind in LIKELIHOODS.values())
    )
)
