"""`priory report`: the page of a run, or of several side by side."""

from pathlib import Path

from rich.console import Console
from torch import Tensor

from priory import report as page
from priory.commands.own_classes import own_parts
from priory.data import Part
from priory.files import checked_file
from priory.networks.data_range import DataRange
from priory.report import Recipe, Subject, write_page
from priory.runs import Run
from priory.runs.layout import CONFIG, MEASURES, PAGE
from priory.runs.options import FurtherData, OwnClasses, check_samples

IMPORTANCE_SAMPLES = 512


def report(
    runs: list[str],
    data: FurtherData,
    classes: OwnClasses,
    importance_samples: int | None = None,
    out: str | None = None,
) -> None:
    """Write one page that shows what the prior of a run did, or compares several runs.

    The page needs no network and no server. It has the measures, those of `priory evaluate` where
    it was run before, the latent space to walk through, samples, reconstructions, interpolations
    and the command that repeats each run.

    Args:
        runs: The directories of one or more runs of `priory train`, `compare` or `refit`, of models
            within them, or of models saved by `priory.save`.
        data: Data to measure on.
        classes: Parts of the models.
        importance_samples: The importance samples for the NLL of each example; those of the run if
            not given.
        out: The file to write; `report.html` in the run, which is replaced, or, of several runs,
            in the working directory, if not given.

    Examples:
        priory report runs/train-1 runs/train-2 --out both.html

    """
    check_samples(importance_samples)
    one_run = out is None and len(runs) == 1
    target = Path(runs[0]) / PAGE if one_run else checked_file(out or PAGE)
    models = [(p, run) for p in runs for run in Run.open_all(p, **own_parts(classes))]
    parts = [data.of(run) for _, run in models]
    first = models[0][1]
    for (_, run), part in zip(models, parts, strict=True):
        if part.data_shape != parts[0].data_shape:
            raise ValueError(
                f"expected runs on data of one shape, got {parts[0].data_shape} in {first.path} "
                f"and {part.data_shape} in {run.path}; report on them one by one."
            )
    console = Console(highlight=False, soft_wrap=True, markup=False)
    entries = []
    for (_, run), part, name in zip(models, parts, _names(models), strict=True):
        console.print(f"{name}: {len(part)} data ...")
        entries.append(
            page.entry(
                name,
                run.model,
                part,
                importance_samples=importance_samples or run.importance_samples,
                seed=run.seed,
                epochs=run.metrics.get("epochs"),
                seconds=run.metrics.get("seconds"),
                curves=run.path,
                measures=run.path / MEASURES,
                num_entries=len(models),
            )
        )
    form, one = first.format, len(entries) == 1
    told = "the data given" if form is None else form.name
    count = "A trained model" if one else f"{len(entries)} trained models"
    subject = Subject(
        title=f"{entries[0].name} on {told}" if one else f"Priors on {told}",
        summary=f"{count}, measured on {len(parts[0]):,} held-out data"
        + ("." if one else " each."),
        data_range=_range(first, parts[0]),
        recipes=_recipes(models),
        label_names=None if form is None else form.label_names,
        columns=None if form is None else form.columns,
    )
    write_page(target, entries, subject)
    console.print(f"The report is {target}.")


def _names(models: list[tuple[str, Run]]) -> list[str]:
    """Return the name of each prior, with that of its run where a name alone would not do."""
    plain = [type(run.model.prior).__name__ for _, run in models]
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
