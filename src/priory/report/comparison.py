"""The figures and the page that set priors side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, cat

from priory.evaluation import Evaluation, Exhibit
from priory.networks.data_range import DataRange
from priory.report.figures import density_comparison, density_figure, grid_figure
from priory.report.html import embedded, write_page
from priory.report.latent_map import common_limits, latent_map

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
    """One prior in a comparison.

    Attributes:
        name: The prior's class.
        evaluation: Its numbers on the test data.
        exhibit: What it has to show.
        epochs: Epochs trained.
        seconds: Seconds of training.

    """

    name: str
    evaluation: Evaluation
    exhibit: Exhibit
    epochs: int
    seconds: float

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
            f"{self.seconds:.0f} s",
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


@dataclass(frozen=True)
class Picture:
    """A picture on the page."""

    path: Path
    caption: str

    @property
    def source(self) -> str:
        """The picture itself, as a `data:` address."""
        return embedded(self.path)


def write_comparison(
    run: Path,
    entries: Sequence[Entry],
    *,
    title: str,
    summary: str,
    data_range: DataRange,
    config: str,
    command: str,
) -> None:
    """Write the figures of every prior, those of all together, and `report.html`.

    Args:
        run: The directory; each prior has one of its name in it.
        entries: The priors.
        title: The title of the page.
        summary: What was done, in a sentence or two.
        data_range: The smallest and the largest value a datum can take.
        config: The configuration of the run.
        command: The command that repeats it.

    """
    sections = {
        "The prior and the aggregated posterior": [_side_by_side(run, entries)],
        "Each prior on axes of its own": [_density(run, entry) for entry in entries],
        "Samples": [
            _grid(
                run / entry.name / "samples.png",
                entry.exhibit.samples,
                data_range,
                f"{entry.name}: data decoded from samples of the prior.",
            )
            for entry in entries
        ],
        "Reconstructions": [
            _grid(
                run / entry.name / "reconstructions.png",
                cat((entry.exhibit.data, entry.exhibit.reconstructions)),
                data_range,
                f"{entry.name}: test data above, a reconstruction of each below.",
            )
            for entry in entries
        ],
        "Pseudo-inputs": [
            _pseudo_inputs(run, entry, data_range)
            for entry in entries
            if entry.exhibit.pseudo_inputs is not None
        ],
    }
    write_page(
        run / "report.html",
        "comparison.html",
        title=title,
        summary=summary,
        header=HEADER,
        rows=[entry.row for entry in entries],
        notes=notes(entries),
        sections={heading: pictures for heading, pictures in sections.items() if pictures},
        config=config,
        command=command,
    )


DOTS = "contours of log p(z) under black dots, one sample of q(z|x) for each test datum"


def _side_by_side(run: Path, entries: Sequence[Entry]) -> Picture:
    own = [latent_map(e.name, e.exhibit.prior, e.exhibit.z) for e in entries]
    limits = common_limits(own)
    maps = [latent_map(e.name, e.exhibit.prior, e.exhibit.z, limits) for e in entries]
    path = _save(density_comparison(maps), run / "priors.png", with_pdf=True)
    return Picture(path, f"All priors on the same axes and the same colour scale: {DOTS}.")


def _density(run: Path, entry: Entry) -> Picture:
    figure = density_figure(latent_map(entry.name, entry.exhibit.prior, entry.exhibit.z))
    path = _save(figure, run / entry.name / "density.png", with_pdf=True)
    return Picture(path, f"{entry.name}: {DOTS}.")


def _grid(path: Path, data: Tensor, data_range: DataRange, caption: str) -> Picture:
    return Picture(_save(grid_figure(data, data_range), path), caption)


def _pseudo_inputs(run: Path, entry: Entry, data_range: DataRange) -> Picture:
    shown = entry.exhibit
    assert shown.pseudo_inputs is not None
    assert shown.weights is not None
    weights = shown.weights[:MOST_PSEUDO_INPUTS].tolist()
    figure = grid_figure(
        shown.pseudo_inputs[: len(weights)], data_range, labels=[f"{w:.3f}" for w in weights]
    )
    return Picture(
        _save(figure, run / entry.name / "pseudo_inputs.png"),
        f"{entry.name}: the {len(weights)} heaviest of {len(shown.weights)} pseudo-inputs, "
        "with their weights.",
    )


def _save(figure: "Figure", path: Path, with_pdf: bool = False) -> Path:
    figure.savefig(path, dpi=150)
    if with_pdf:
        figure.savefig(path.with_suffix(".pdf"))
    return path
