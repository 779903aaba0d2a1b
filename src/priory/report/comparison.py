"""What is reported of each prior, and the figures that set priors side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, cat

from priory.evaluation import Evaluation, Exhibit, Exploration
from priory.networks.data_range import DataRange
from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.latent_map import LatentMap, common_limits, latent_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER = (
    "prior",
    "test NLL",
    "ELBO",
    "reconstruction",
    "rate",
    "components in use",
    "share in holes",
    "time",
)
MOST_PSEUDO_INPUTS = 64


@dataclass(frozen=True)
class Entry:
    """One prior in a report.

    Attributes:
        name: The prior's class, or another name where there are several of it.
        evaluation: Its numbers on the test data.
        exhibit: What it has to show.
        epochs: Epochs trained; None where that is not known.
        seconds: Seconds of training; None likewise.
        exploration: What a reader can walk through; the page needs it, the figures do not.
        labels: The classes of the test data, where there are any.
        curves: Its training curves: columns of numbers, of which `epoch` is one.
        measures: What `priory evaluate` found of it, as in `measures.json`; None without.
        parameters: The number of parameters of the prior alone.

    """

    name: str
    evaluation: Evaluation
    exhibit: Exhibit
    epochs: int | None
    seconds: float | None
    exploration: Exploration | None = None
    labels: Tensor | None = None
    curves: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    measures: Mapping[str, Any] | None = None
    parameters: int | None = None

    @property
    def row(self) -> tuple[str, ...]:
        """The cells under `HEADER`; what their marks mean is in `notes`."""
        e = self.evaluation
        about = "" if e.prior_standard_error is None else "≈ "
        return (
            f"{self.name} | y" if e.given_labels else self.name,
            f"{about}{e.nll:.2f} ± {e.nll_standard_error:.2f}",
            f"{about}{e.elbo:.2f}",
            f"{e.reconstruction:.2f}",
            f"{about}{e.rate:.2f}",
            "none" if e.components_in_use is None else f"{e.components_in_use:.1f}",
            "none" if e.share_in_holes is None else f"{e.share_in_holes:.1%}",
            "not known" if self.seconds is None else f"{self.seconds:.0f} s",
        )


def notes(entries: Sequence[Entry]) -> list[str]:
    """Return what the marks in the rows mean, a sentence for each mark that is used."""
    errors = [e.evaluation.prior_standard_error for e in entries]
    estimated = [error for error in errors if error is not None]
    said = []
    if estimated:
        most = max(estimated)
        said.append(f"≈ : the prior's normaliser is estimated (± {most:.2g} nats).")
    if any(entry.evaluation.given_labels for entry in entries):
        said.append("| y : given the label, for data whose label is known: -log p(x|y).")
    return said


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
        data_range: The smallest and the largest value a datum can take.

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
