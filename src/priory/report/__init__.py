"""Figures, tables and pages; all but `entry` take what was found and never call a model."""

from priory.report.entries import Entry, about_examples, entry, evaluated
from priory.report.figures import density_comparison, density_figure, grid_figure, path_figure
from priory.report.latent_map import LatentMap, latent_map
from priory.report.page import Chapter, Recipe, Subject, write_page
from priory.report.tables import comparison_table, density_unit, scores_table
from priory.report.written import write_figures, write_refit_figure, write_report

__all__ = [
    "Chapter",
    "Entry",
    "LatentMap",
    "Recipe",
    "Subject",
    "about_examples",
    "comparison_table",
    "density_comparison",
    "density_figure",
    "density_unit",
    "entry",
    "evaluated",
    "grid_figure",
    "latent_map",
    "path_figure",
    "scores_table",
    "write_figures",
    "write_page",
    "write_refit_figure",
    "write_report",
]
