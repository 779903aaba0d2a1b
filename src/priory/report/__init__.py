"""Figures and pages: they take tensors and never call a model."""

from priory.report.comparison import Entry, write_comparison
from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.latent_map import LatentMap, latent_map

__all__ = [
    "Entry",
    "LatentMap",
    "density_comparison",
    "density_figure",
    "grid_figure",
    "latent_map",
    "write_comparison",
]
