"""Training: one call that fits a model to data, and what it is made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.training.build import build, make_networks
from priory.training.curves import read_curves
from priory.training.fit_prior import CrossEntropy, PriorFit, fit_prior, prior_for
from priory.training.machine import Machine, threads_for
from priory.training.run_directory import (
    FoundRun,
    find_run,
    find_runs,
    new_run_directory,
    next_free,
)
from priory.training.settings import Muon, TrainingSettings

if TYPE_CHECKING:
    from priory.training.loop import History, fit, train

__all__ = [
    "CrossEntropy",
    "FoundRun",
    "History",
    "Machine",
    "Muon",
    "PriorFit",
    "TrainingSettings",
    "build",
    "find_run",
    "find_runs",
    "fit",
    "fit_prior",
    "make_networks",
    "new_run_directory",
    "next_free",
    "prior_for",
    "read_curves",
    "threads_for",
    "train",
]

LAZY = ("History", "fit", "train")
"""Names that need Lightning, which is heavy."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module("priory.training.loop"), name)
    if name == "Training":
        raise ImportError(
            "priory.training.Training, a LightningModule, is gone since 0.2.0: train with "
            "priory.training.train, or with priory.loss in a loop of your own."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
