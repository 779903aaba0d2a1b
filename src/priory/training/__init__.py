"""Training: one call that fits a model to data, and what it is made of."""

from priory.training.fit import default_networks, fit
from priory.training.module import Training
from priory.training.run_directory import new_run_directory, next_free
from priory.training.settings import TrainingSettings
from priory.training.train import History, train

__all__ = [
    "History",
    "Training",
    "TrainingSettings",
    "default_networks",
    "fit",
    "new_run_directory",
    "next_free",
    "train",
]
