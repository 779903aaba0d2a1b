"""Training: one call that fits a model to data, and what it is made of."""

from priory.training.build import build
from priory.training.fit import fit
from priory.training.fit_prior import fit_prior, prior_for
from priory.training.module import Training
from priory.training.networks import make_networks
from priory.training.optimizers import Muon
from priory.training.prior_fit import CrossEntropy, PriorFit
from priory.training.run_directory import FoundRun, find_run, new_run_directory, next_free
from priory.training.settings import TrainingSettings
from priory.training.train import History, train

__all__ = [
    "CrossEntropy",
    "FoundRun",
    "History",
    "Muon",
    "PriorFit",
    "Training",
    "TrainingSettings",
    "build",
    "find_run",
    "fit",
    "fit_prior",
    "make_networks",
    "new_run_directory",
    "next_free",
    "prior_for",
    "train",
]
