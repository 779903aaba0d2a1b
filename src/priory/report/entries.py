"""What is reported of each prior: its numbers, and what it has to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from priory.data import Part
from priory.evaluation import (
    Evaluation,
    Exhibit,
    Exploration,
    Measure,
    Value,
    evaluate,
    exhibit,
    explore,
)
from priory.files import read_record
from priory.networks.context import Context
from priory.training import read_curves
from priory.vae import VAE

MOST_COMPONENTS = 500
NUM_SAMPLES, MOST_SAMPLES = 64, 1000
"""How many data are drawn to be looked at, and how many where their columns are shown."""


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
        batches: The batches of the test data, where there are any.
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
    batches: Tensor | None = None

    @property
    def num_levels(self) -> int:
        """The number of levels of latents."""
        return int(self.evaluation.record.get("num_levels", 1))

    def value(self, measure: Measure) -> Value | None:
        """Return the number of a measure, or what `priory evaluate` found of it."""
        return measure.read(self.evaluation.record) or measure.read(self.measures or {})

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of its row in the table of several priors, with the time at the end."""
        time = "not known" if self.seconds is None else f"{self.seconds:.0f} s"
        return (*row_of(self.name, self.evaluation), time)


def row_of(name: str, evaluation: Evaluation) -> tuple[str, ...]:
    """Return the cells of a prior's numbers, of which the first alone has its standard error."""
    numbers = [
        measure.text(measure.read(evaluation.record))
        for measure in evaluation.measures
        if measure.title
    ]
    (first, error), *others = numbers
    named = f"{name} | y" if evaluation.given_labels else name
    return (named, f"{first} {error}".strip(), *(number for number, _ in others))


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return what the marks of numbers mean, a sentence for each mark that is used."""
    errors = [one.prior_standard_error for one in evaluations]
    estimated = [error for error in errors if error is not None]
    said = []
    if estimated:
        most = max(estimated)
        said.append(f"≈ : the prior's normaliser is estimated (± {most:.2g} nats, over its draws).")
    for one in evaluations:
        said += getattr(one.findings.get("depth"), "warnings", ())
    if any(one.given_labels for one in evaluations):
        said.append("| y : given the label, for examples whose label is known: -log p(x|y).")
    return said


def about_examples(entries: Sequence[Entry]) -> str:
    """Say whether a page shows examples of the data, in a sentence."""
    if not any(len(entry.exhibit.data) for entry in entries):
        return "It shows no example of the data."
    return "It shows examples of the data; --no-examples leaves them out."


def entry(
    name: str,
    vae: VAE,
    part: Part,
    *,
    importance_samples: int,
    seed: int = 0,
    evaluation: Evaluation | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    curves: Path | None = None,
    measures: Path | None = None,
    num_entries: int = 1,
    examples: bool = True,
) -> Entry:
    """Measure a model, and walk through it.

    Args:
        name: What to call it.
        vae: The model.
        part: Held-out data.
        importance_samples: The importance samples per example for the NLL.
        seed: The seed of the noise.
        evaluation: Its numbers, where they are known.
        epochs: Epochs trained.
        seconds: Seconds of training.
        curves: The directory of the training curves.
        measures: The file that `priory evaluate` wrote; one that is not there is none.
        num_entries: How many share the page; with many, fewer components of each are shown.
        examples: Whether to show examples of the data, and pseudo-inputs that started from them.

    Raises:
        ValueError: If the file of measures is damaged.
    """
    x, context = part.tensor(), vae.context_of(**part.annotations)
    drawn = MOST_SAMPLES if x.dim() == 2 else NUM_SAMPLES
    shown = exhibit(vae, x, drawn, seed=seed, context=context, examples=examples)
    return Entry(
        name,
        evaluation
        or evaluate(
            vae,
            x,
            importance_samples,
            seed,
            context,
            annotations=Context(**part.annotations),
        ),
        shown,
        epochs,
        seconds,
        exploration=explore(
            vae,
            x,
            z=shown.z,
            context=context,
            labels=part.labels,
            most_components=MOST_COMPONENTS // num_entries,
            seed=seed,
            examples=examples,
        ),
        labels=part.labels,
        batches=part.batch_label,
        curves={} if curves is None else read_curves(curves),
        measures=None if measures is None else read_record(measures, "priory evaluate"),
        parameters=sum(p.numel() for p in vae.prior.parameters()),
    )
