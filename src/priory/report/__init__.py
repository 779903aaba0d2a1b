"""Figures, tables and pages; all but `entry` take what was found and never call a model."""

from priory.report.entries import Entry, entry
from priory.report.entries import about_examples as about_examples
from priory.report.entries import evaluated as evaluated
from priory.report.figures import density_comparison, density_figure, grid_figure, path_figure
from priory.report.latent_map import LatentMap, latent_map
from priory.report.page import Chapter as Chapter
from priory.report.page import Recipe, Subject, write_page
from priory.report.tables import comparison_table, density_unit, scores_table
from priory.report.written import write_figures
from priory.report.written import write_refit_figure as write_refit_figure
from priory.report.written import write_report as write_report

__all__ = [
    "Entry",
    "LatentMap",
    "Recipe",
    "Subject",
    "comparison_table",
    "density_comparison",
    "density_figure",
    "density_unit",
    "entry",
    "grid_figure",
    "latent_map",
    "path_figure",
    "scores_table",
    "write_figures",
    "write_page",
]
