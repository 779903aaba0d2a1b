"""Figures and pages: they take tensors and never call a model."""

from priory.report.comparison import Entry, write_figures
from priory.report.figures import density_comparison, density_figure, grid_figure, path_figure
from priory.report.latent_map import LatentMap, latent_map
from priory.report.page import Recipe, Subject, write_page

__all__ = [
    "Entry",
    "LatentMap",
    "Recipe",
    "Subject",
    "density_comparison",
    "density_figure",
    "grid_figure",
    "latent_map",
    "path_figure",
    "write_figures",
    "write_page",
]
