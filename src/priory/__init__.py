"""Priory: priors for latent variable models, and what it takes to train and measure them."""

from typing import TYPE_CHECKING, Any

from priory import priors
from priory.aggregate import aggregated_posterior
from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.importance_weighted import importance_weighted_loss
from priory.likelihoods import BernoulliDecoder, CategoricalDecoder
from priory.networks import MLP, Context, GaussianEncoder
from priory.objectives import ELBO, elbo, log_weights, loss
from priory.priors import *  # noqa: F403
from priory.saving import load, save
from priory.vae import VAE

if TYPE_CHECKING:
    from priory.training import fit
    from priory.training.fit_prior import fit_prior

__all__ = [
    "ELBO",
    "MLP",
    "VAE",
    "BernoulliDecoder",
    "CategoricalDecoder",
    "Context",
    "FactorizedGaussianMixture",
    "GaussianEncoder",
    "GaussianMixture",
    "aggregated_posterior",
    "elbo",
    "fit",
    "fit_prior",
    "importance_weighted_loss",
    "load",
    "log_weights",
    "loss",
    "save",
]
__all__ += priors.__all__


def __getattr__(name: str) -> Any:
    if name in ("fit", "fit_prior"):  # Lightning is heavy
        from priory import training

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
