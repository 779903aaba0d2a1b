"""Training: one call that fits a model to data, and what it is made of."""

from priory.training.fit import fit, train
from priory.training.module import Training
from priory.training.run_directory import new_run_directory

__all__ = ["Training", "fit", "new_run_directory", "train"]
