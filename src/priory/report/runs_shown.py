"""What a page says of finished runs: what they are called, and how each is repeated."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from priory.data import Part
from priory.networks.data_range import DataRange
from priory.priors.base import title_of
from priory.report.entries import Entry
from priory.report.page import Recipe, Subject
from priory.runs.layout import CONFIG
from priory.runs.run import Run


def subject_of(models: list[tuple[str, Run]], entries: Sequence[Entry], part: Part) -> Subject:
    """Return what a page is about.

    Args:
        models: The runs, each with the path that it was named by.
        entries: What was measured of each.
        part: The data that the first was measured on.
    """
    first, one = models[0][1], len(entries) == 1
    form = first.format
    data_name = "the data given" if form is None else form.name
    count = "A trained model" if one else f"{len(entries)} trained models"
    return Subject(
        title=f"{entries[0].name} on {data_name}" if one else f"Priors on {data_name}",
        summary=f"{count}, measured on {len(part):,} held-out examples{'' if one else ' each'}.",
        data_range=_range(first, part),
        recipes=_recipes(models),
        label_names=None if form is None else form.label_names,
        batch_names=None if form is None else form.batch_names,
        columns=None if form is None else form.columns,
    )


def names_of(models: list[tuple[str, Run]]) -> list[str]:
    """Return the name of each prior, with that of its run where a name alone would not do."""
    plain = [title_of(run.model.prior) for _, run in models]
    if len(set(plain)) == len(plain):
        return plain
    beside = [f"{p} ({Path(r).resolve().name})" for p, (r, _) in zip(plain, models, strict=True)]
    if len(set(beside)) == len(beside):
        return beside
    return [f"{p} ({run.path})" for p, (_, run) in zip(plain, models, strict=True)]


def _recipes(models: list[tuple[str, Run]]) -> tuple[Recipe, ...]:
    """Return how each run is repeated, once for all models of a run."""
    recipes = {}
    for path, run in models:
        file = run.home / CONFIG
        if run.config is None:
            recipes[run.home] = Recipe(path, "", "")
        else:
            recipes[run.home] = Recipe.of(run.config.command, run.home, file.read_text(), path)
    return tuple(recipes.values())


def _range(run: Run, part: Part) -> DataRange:
    """Return the values to draw white and black: the encoder's range, or that of the data."""
    stated: DataRange | None = getattr(run.model.encoder, "data_range", None)
    if stated is not None and not isinstance(stated, Tensor):
        return stated
    x = part.tensor()
    low, high = float(x.min()), float(x.max())
    return (low, high if high > low else low + 1)
