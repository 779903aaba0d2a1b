"""Training: one call that fits a model to data, and what it is made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.training.build import build, make_networks
from priory.training.curves import read_curves
from priory.training.fit_prior import CrossEntropy, PriorFit, fit_prior, prior_for
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
    from priory.training.module import Training

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
    "find_runs",
    "fit",
    "fit_prior",
    "make_networks",
    "new_run_directory",
    "next_free",
    "prior_for",
    "read_curves",
    "train",
]

LAZY = {"History": "loop", "Training": "module", "fit": "loop", "train": "loop"}
"""Names that need Lightning, which is heavy, and the files that hold them."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f"priory.training.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
