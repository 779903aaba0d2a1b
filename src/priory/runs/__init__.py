"""Runs: directories, what is in them, and the configurations that make them."""

from priory.runs.layout import new_run_directory, next_free
from priory.runs.options import CompareConfig, RefitConfig, TrainConfig
from priory.runs.run import Run

__all__ = ["CompareConfig", "RefitConfig", "Run", "TrainConfig", "new_run_directory", "next_free"]
