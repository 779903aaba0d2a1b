"""What is reported of each prior: its numbers, and what it has to show."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
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
class Measured:
    """The numbers of one prior, trained once or with several seeds.

    Attributes:
        name: The prior's class, or another name where there are several of it.
        evaluation: Its numbers on the test data.
        repeats: Those of the same prior trained with other seeds.
        measures: What `priory evaluate` found of it, as in `measures.json`; None without.
    """

    name: str
    evaluation: Evaluation
    repeats: tuple[Evaluation, ...] = field(default=(), kw_only=True)
    measures: Mapping[str, Any] | None = field(default=None, kw_only=True)

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Its numbers under each seed."""
        return (self.evaluation, *self.repeats)

    def value(self, measure: Measure) -> Value | None:
        """Return the number of a measure, or what `priory evaluate` found of it.

        With several seeds, it is the mean over them, and its error is over seeds.
        """
        values = [measure.read(evaluation.record) for evaluation in self.evaluations]
        if self.repeats:
            return over_seeds([value for value in values if value is not None])
        return values[0] or measure.read(self.measures or {})

    def number(self, measure: Measure) -> float | None:
        """Return that number alone; None where there is none, or there are several."""
        value = self.value(measure)
        return None if value is None or isinstance(value.number, tuple) else value.number


def over_seeds(values: Sequence[Value]) -> Value | None:
    """Return the mean of a measure over seeds, with its standard error over them.

    Examples:
        >>> from priory.evaluation import Value
        >>> from priory.report.entries import over_seeds
        >>> over_seeds([Value(1.0, 0.3), Value(3.0, 0.2)])
        Value(number=2.0, error=1.0, mark='', of='', note='')
    """
    if len(values) < 2:
        return next(iter(values), None)
    numbers = [v.number if isinstance(v.number, tuple) else (v.number,) for v in values]
    means = tuple(fmean(column) for column in zip(*numbers, strict=True))
    errors = tuple(stdev(column) / math.sqrt(len(values)) for column in zip(*numbers, strict=True))
    several = isinstance(values[0].number, tuple)
    notes = {value.note for value in values}
    return Value(
        means if several else means[0],
        errors if several else errors[0],
        mark=next((value.mark for value in values if value.mark), ""),
        of=values[0].of,
        note=notes.pop() if len(notes) == 1 else "",
    )


@dataclass(frozen=True)
class Entry(Measured):
    """One prior in a report: its numbers, and what it has to show.

    What it shows, and its curves, are those of the first seed.

    Attributes:
        exhibit: Its samples and reconstructions.
        epochs: Epochs trained; None if unknown.
        seconds: Seconds of training; None if unknown.
        exploration: The interactive view for the page; figures do not need it.
        labels: The labels of the test data, if there are any.
        curves: Its training curves: columns of numbers, of which `epoch` is one.
        parameters: The number of parameters of the prior alone.
        batches: The batches of the test data, if there are any.
    """

    exhibit: Exhibit
    epochs: int | None
    seconds: float | None
    exploration: Exploration | None = None
    labels: Tensor | None = None
    curves: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    parameters: int | None = None
    batches: Tensor | None = None

    @property
    def row(self) -> tuple[str, ...]:
        """The name, the quick measures, of which the first has its standard error, and the time."""
        measures = [measure for measure in self.evaluation.measures if measure.title]
        (first, error), *others = (measure.text(self.value(measure)) for measure in measures)
        named = f"{self.name} | y" if self.evaluation.given_labels else self.name
        time = "not known" if self.seconds is None else f"{self.seconds:.0f} s"
        return (named, f"{first} {error}".strip(), *(number for number, _ in others), time)

    @property
    def num_levels(self) -> int:
        """The number of levels of latents."""
        return int(self.evaluation.record.get("num_levels", 1))


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return what the marks of numbers mean, one sentence per mark in use."""
    errors = [one.prior_standard_error for one in evaluations]
    estimated = [error for error in errors if error is not None]
    said = []
    if estimated:
        most = max(estimated)
        said.append(
            f"≈ : the prior's normaliser is estimated (± {most:.2g} nats, over its samples)."
        )
    for one in evaluations:
        said += getattr(one.findings.get("depth"), "warnings", ())
    if any(one.given_labels for one in evaluations):
        said.append("| y : given the label, for examples whose label is known: -log p(x|y).")
    return said


def about_examples(entries: Sequence[Entry]) -> str:
    """Say whether a page shows examples of the data, in a sentence."""
    if not any(len(entry.exhibit.data) for entry in entries):
        return "It shows no examples of the data."
    return "It shows examples of the data; --no-examples leaves them out."


def evaluated(
    vae: VAE,
    part: Part,
    importance_samples: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Measure a model on held-out data by the few measures that priors are compared by.

    It is measured on the given device, and afterwards is on the CPU.
    """
    x, context = part.tensor(), vae.context_of(**part.annotations)
    annotations = Context(**part.annotations)
    vae.to(device)
    try:
        return evaluate(vae, x, importance_samples, seed, context, annotations=annotations)
    finally:
        vae.cpu()


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
    repeats: Sequence[Evaluation] = (),
    num_entries: int = 1,
    examples: bool = True,
) -> Entry:
    """Measure a model, and explore its latent space.

    Args:
        name: Its name.
        vae: The model.
        part: Held-out data.
        importance_samples: The number of importance samples per example for the NLL.
        seed: The seed of the noise.
        evaluation: Its numbers, if known.
        epochs: Epochs trained.
        seconds: Seconds of training.
        curves: The directory of the training curves.
        measures: The file that `priory evaluate` wrote, which may be missing.
        repeats: Its numbers of other seeds.
        num_entries: The number of priors on the page; with many, fewer components of each are
            shown.
        examples: Whether to show examples of the data, and pseudo-inputs initialised from them.

    Raises:
        ValueError: If the file of measures is damaged.
    """
    x, context = part.tensor(), vae.context_of(**part.annotations)
    drawn = MOST_SAMPLES if x.dim() == 2 else NUM_SAMPLES
    shown = exhibit(vae, x, drawn, seed=seed, context=context, examples=examples)
    return Entry(
        name,
        evaluation or evaluated(vae, part, importance_samples, seed),
        shown,
        epochs,
        seconds,
        repeats=tuple(repeats),
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
