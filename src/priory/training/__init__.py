"""Training: one call that fits a model to data, and what it is made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.training.build import build
from priory.training.curves import read_curves
from priory.training.fit_prior import fit_prior, prior_for
from priory.training.machine import Machine, threads_for
from priory.training.networks_by_name import make_networks
from priory.training.prior_fit import CrossEntropy, PriorFit
from priory.training.settings import Muon, TrainingSettings

if TYPE_CHECKING:
    from priory.training.loop import History, fit, train

__all__ = [
    "CrossEntropy",
    "History",
    "Machine",
    "Muon",
    "PriorFit",
    "TrainingSettings",
    "build",
    "fit",
    "fit_prior",
    "make_networks",
    "prior_for",
    "read_curves",
    "threads_for",
    "train",
]

LAZY = {
    "History": "training.loop",
    "fit": "training.loop",
    "new_run_directory": "runs",
    "next_free": "runs",
    "train": "training.loop",
}
"""Names that need Lightning, which is heavy, or have moved, and where they are."""
MOVED = {
    "FoundRun": "is priory.runs.Run since 0.2.0.",
    "Training": "a LightningModule, is gone since 0.2.0: train with priory.training.train, or with "
    "priory.loss in a loop of your own.",
    "find_run": "is priory.runs.Run.open since 0.2.0.",
    "find_runs": "is priory.runs.Run.open_all since 0.2.0.",
}
"""Names of 0.1.0, and what is in their place."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f"priory.{LAZY[name]}"), name)
    if name in MOVED:
        raise ImportError(f"priory.training.{name} {MOVED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
