"""What a run is to show, written into its directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, cat

from priory.aggregate import marginal_prior
from priory.evaluation import top_level
from priory.networks.context import Context
from priory.networks.data_range import DataRange
from priory.report.entries import NUM_SAMPLES, Entry
from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.latent_map import common_limits, latent_map
from priory.report.page import Chapter, Recipe, Subject, write_page
from priory.report.page_data import apart, map_of, side_by_side, spreads_differ
from priory.runs.layout import CONFIG, PAGE
from priory.vae import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from priory.runs.begin import Begun

MOST_PSEUDO_INPUTS = 64


def write_figures(run: Path, entries: Sequence[Entry], data_range: DataRange) -> None:
    """Write the figures of every prior and those of all together, PNG and PDF.

    Args:
        run: The directory; each prior has one of its name in it.
        entries: The priors.
        data_range: The smallest and the largest value an example can take.
    """
    beside, alone = side_by_side(entries), apart(entries) if spreads_differ(entries) else ()
    _save(density_comparison(beside, alone), run / "priors.png", with_pdf=True)
    for entry in entries:
        shown, directory = entry.exhibit, run / entry.name
        density = density_figure(map_of(entry))
        _save(density, directory / "density.png", with_pdf=True)
        _save(grid_figure(shown.samples[:NUM_SAMPLES], data_range), directory / "samples.png")
        if len(shown.data):
            both = cat((shown.data, shown.reconstructions))
            _save(grid_figure(both, data_range), directory / "reconstructions.png")
        fixed = None if entry.exploration is None else entry.exploration.fixed_top
        if fixed is not None:  # a row for each top
            rows = grid_figure(fixed.flatten(0, 1), data_range, columns=fixed.shape[1])
            _save(rows, directory / "fixed_top.png")
        if shown.pseudo_inputs is not None and shown.weights is not None:
            heaviest = shown.pseudo_inputs[:MOST_PSEUDO_INPUTS]
            weights = [f"{w:.3f}" for w in shown.weights[:MOST_PSEUDO_INPUTS].tolist()]
            _save(
                grid_figure(heaviest, data_range, labels=weights), directory / "pseudo_inputs.png"
            )


def write_report(
    directory: Path,
    entries: Sequence[Entry],
    begun: "Begun",
    title: str,
    summary: str,
    place: Path | None = None,
    page: Path | None = None,
    further: Sequence[Chapter] = (),
) -> None:
    """Write all that is to be looked at of a run: figures, the page, and log p(x) per example.

    Args:
        directory: Where to write.
        entries: The trained priors.
        begun: What the run began with.
        title: The title of the page.
        summary: What was done, in a sentence or two.
        place: Where the directory will be.
        page: The file of the page; `report.html` in the directory if not given.
        further: Other comparisons, shown in brief.
    """
    for entry in entries:
        home = directory if len(entries) == 1 else directory / entry.name
        (directory / entry.name).mkdir(exist_ok=True)
        entry.evaluation.write_log_prob(home)
    write_figures(directory, entries, begun.likelihood.data_range)
    text = (directory / CONFIG).read_text()
    subject = Subject(
        title=title,
        summary=summary,
        data_range=begun.likelihood.data_range,
        recipes=(Recipe.of(begun.config.command, place or directory, text),),
        label_names=begun.splits.label_names,
        columns=begun.splits.columns,
        batch_names=begun.splits.batch_names,
    )
    write_page(page or directory / PAGE, entries, subject, further)


@torch.no_grad()
def write_refit_figure(
    directory: Path, old: VAE, new: VAE, x: Tensor, context: Context, seed: int
) -> None:
    """Write the figure of a prior before and after it was fitted, under q(z) of data."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tops = {"before": top_level(old), "after": top_level(new)}
        z = tops["before"].posterior(x, context).sample()
        priors = {
            f"{when}: {type(top.prior).__name__}": marginal_prior(top, context)
            for when, top in tops.items()
        }
        limits = common_limits([latent_map(title, p, z) for title, p in priors.items()])
        figure = density_comparison([latent_map(t, p, z, limits) for t, p in priors.items()])
    _save(figure, directory / "priors.png", with_pdf=True)


def _save(figure: "Figure", path: Path, with_pdf: bool = False) -> None:
    figure.savefig(path, dpi=150)
    if with_pdf:
        figure.savefig(path.with_suffix(".pdf"))
