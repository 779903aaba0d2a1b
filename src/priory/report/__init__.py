"""Figures and pages: they take tensors and never call a model."""

from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.html import write_report
from priory.report.latent_map import LatentMap, latent_map

__all__ = [
    "LatentMap",
    "density_comparison",
    "density_figure",
    "grid_figure",
    "latent_map",
    "write_report",
]
