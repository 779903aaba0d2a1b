"""The figures of priors, each alone and side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import cat

from priory.networks.data_range import DataRange
from priory.report.entries import Entry
from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.latent_map import LatentMap, common_limits, latent_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PSEUDO_INPUTS = 64


def side_by_side(entries: Sequence[Entry]) -> list[LatentMap]:
    """Return the maps of all priors on the same axes."""
    own = [latent_map(e.name, e.exhibit.prior, e.exhibit.z) for e in entries]
    if len(own) == 1:
        return own
    limits = common_limits(own)
    return [latent_map(e.name, e.exhibit.prior, e.exhibit.z, limits) for e in entries]


def write_figures(run: Path, entries: Sequence[Entry], data_range: DataRange) -> None:
    """Write the figures of every prior and those of all together, PNG and PDF.

    Args:
        run: The directory; each prior has one of its name in it.
        entries: The priors.
        data_range: The smallest and the largest value an example can take.

    """
    _save(density_comparison(side_by_side(entries)), run / "priors.png", with_pdf=True)
    for entry in entries:
        shown, own = entry.exhibit, run / entry.name
        density = density_figure(latent_map(entry.name, shown.prior, shown.z))
        _save(density, own / "density.png", with_pdf=True)
        _save(grid_figure(shown.samples, data_range), own / "samples.png")
        both = cat((shown.data, shown.reconstructions))
        _save(grid_figure(both, data_range), own / "reconstructions.png")
        if shown.pseudo_inputs is not None and shown.weights is not None:
            heaviest = shown.pseudo_inputs[:MOST_PSEUDO_INPUTS]
            weights = [f"{w:.3f}" for w in shown.weights[:MOST_PSEUDO_INPUTS].tolist()]
            _save(grid_figure(heaviest, data_range, labels=weights), own / "pseudo_inputs.png")


def _save(figure: "Figure", path: Path, with_pdf: bool = False) -> None:
    figure.savefig(path, dpi=150)
    if with_pdf:
        figure.savefig(path.with_suffix(".pdf"))
