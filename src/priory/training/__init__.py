"""Training: one call that fits a model to data, and what it is made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.training.build import build, make_networks
from priory.training.curves import read_curves
from priory.training.fit_prior import CrossEntropy, PriorFit, fit_prior, prior_for
from priory.training.settings import Muon, TrainingSettings

if TYPE_CHECKING:
    from priory.training.loop import History, fit, train
    from priory.training.module import Training

__all__ = [
    "CrossEntropy",
    "History",
    "Muon",
    "PriorFit",
    "Training",
    "TrainingSettings",
    "build",
    "fit",
    "fit_prior",
    "make_networks",
    "prior_for",
    "read_curves",
    "train",
]

LAZY = {
    "History": "training.loop",
    "Machine": "training.machine",
    "Training": "training.module",
    "fit": "training.loop",
    "new_run_directory": "runs",
    "next_free": "runs",
    "threads_for": "training.machine",
    "train": "training.loop",
}
"""Names that need Lightning, which is heavy, or have moved, and where they are."""
MOVED = {"FoundRun": "Run", "find_run": "Run.open", "find_runs": "Run.open_all"}
"""Names of 0.1.0, and what is in their place in `priory.runs`."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f"priory.{LAZY[name]}"), name)
    if name in MOVED:
        raise AttributeError(f"priory.training.{name} is now priory.runs.{MOVED[name]}.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
