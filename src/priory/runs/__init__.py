"""Runs: directories, their contents, and the configurations that produce them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priory.runs.layout import new_run_directory, next_free

if TYPE_CHECKING:
    from priory.runs.configs import CompareConfig, RefitConfig, TrainConfig
    from priory.runs.run import Run

__all__ = ["CompareConfig", "RefitConfig", "Run", "TrainConfig", "new_run_directory", "next_free"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # these need the extra cli
        file = "run" if name == "Run" else "configs"
        return getattr(import_module(f"priory.runs.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
