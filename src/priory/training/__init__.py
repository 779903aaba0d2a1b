"""Training: one call that fits a model to data, and its building blocks."""

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
"""Names that need Lightning, which is slow to import, or have moved, and where they are."""
MOVED = {
    "FoundRun": "is priory.runs.Run since 0.2.0.",
    "Training": "a LightningModule, was removed in 0.2.0: use priory.training.train, or "
    "priory.loss in your own loop.",
    "find_run": "is priory.runs.Run.open since 0.2.0.",
    "find_runs": "is priory.runs.Run.open_all since 0.2.0.",
}
"""Names of 0.1.0, and what replaces them."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(import_module(f"priory.{LAZY[name]}"), name)
    if name in MOVED:
        raise ImportError(f"priory.training.{name} {MOVED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
