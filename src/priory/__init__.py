"""Priory: priors for latent variable models, and the tools to train and measure them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory import priors
from priory.aggregate import aggregated_posterior, marginal_prior
from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.importance_weighted import importance_weighted_loss
from priory.likelihoods import BernoulliDecoder, CategoricalDecoder
from priory.networks import MLP, Context, GaussianEncoder
from priory.objectives import ELBO, elbo, log_weights, loss
from priory.priors import *  # noqa: F403
from priory.saving import load, save
from priory.vae import VAE

if TYPE_CHECKING:
    from priory import adapters as adapters
    from priory import data as data
    from priory import evaluation as evaluation
    from priory import hub as hub
    from priory import report as report
    from priory import testing as testing
    from priory import training as training
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
    "marginal_prior",
    "save",
]
__all__ += priors.__all__


ROOMS = ("adapters", "data", "evaluation", "hub", "report", "runs", "testing", "training")
"""Packages and files that are imported when they are first used, because some are slow to import.
"""


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return import_module(f"priory.{name}")
    if name in ("fit", "fit_prior"):  # Lightning is slow to import
        return getattr(import_module("priory.training"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS, "fit", "fit_prior"})
