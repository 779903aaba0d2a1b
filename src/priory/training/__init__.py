"""Training: one call that fits a model to data, and what it is made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.training.build import build
from priory.training.curves import read_curves
from priory.training.fit_prior import fit_prior, prior_for
from priory.training.networks import make_networks
from priory.training.optimizers import Muon
from priory.training.prior_fit import CrossEntropy, PriorFit
from priory.training.run_directory import (
    FoundRun,
    find_run,
    find_runs,
    new_run_directory,
    next_free,
)
from priory.training.settings import TrainingSettings

if TYPE_CHECKING:
    from priory.training.loop import History, train
    from priory.training.module import Training
    from priory.training.one_call import fit

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

LAZY = {"History": "loop", "Training": "module", "fit": "one_call", "train": "loop"}
"""Names that need Lightning, which is heavy, and the files that hold them."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f"priory.training.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
