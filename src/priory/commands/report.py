"""`priory report`: the page of a run, or of several side by side."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from priory.commands.run_data import make_ready, open_part
from priory.commands.user_classes import build_module
from priory.data import DataFormat, Part, open_source
from priory.networks.data_range import DataRange
from priory.report import Recipe, Subject, entry, write_page
from priory.report.entries import read_record
from priory.saving import load
from priory.training import FoundRun, find_runs
from priory.vae import VAE

IMPORTANCE_SAMPLES = 512


@dataclass(frozen=True)
class _Model:
    """A model to report on, with what it was measured on."""

    run: Path
    found: FoundRun
    vae: VAE
    part: Part
    format: DataFormat | None


def report(
    runs: list[str],
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    importance_samples: int | None = None,
    out: str | None = None,
) -> None:
    """Write one page that shows what the prior of a run did, or sets several runs side by side.

    The page needs no network and no server. It has the measures, those of `priory evaluate` where
    it was run before, the latent space to walk through, samples, reconstructions, interpolations
    and the command that repeats each run.

    Args:
        runs: The directories of one or more runs of `priory train`, `compare` or `refit`, of models
            within them, or of models saved by `priory.save`.
        data: Held-out data, in the format of those trained on; by default each run's own test data.
            A model saved by `priory.save` has none of its own.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        encoder: The models' encoder, where it is of a class of your own, as for `priory train`.
        decoder: Likewise their decoder.
        importance_samples: The importance samples per datum for the NLL; by default those of the
            run.
        out: The file to write; by default `report.html` in the run, which is replaced, or of
            several runs in the working directory.

    """
    if importance_samples is not None and importance_samples < 1:
        raise ValueError(f"expected at least one importance sample, got {importance_samples}.")
    target = _target(runs, out)
    models = _load_all(runs, data, labels, data_options, encoder, decoder)
    shapes = [model.part.data_shape for model in models]
    for model, shape in zip(models, shapes, strict=True):
        if shape != shapes[0]:
            raise ValueError(
                f"expected runs on data of one shape, got {shapes[0]} in {models[0].found.model} "
                f"and {shape} in {model.found.model}; report on them one by one."
            )
    console = Console(highlight=False, soft_wrap=True)
    entries = []
    for model, name in zip(models, _names(models), strict=True):
        console.print(f"{name}: {len(model.part)} data ...", markup=False)
        config, metrics = model.found.config, _metrics(model)
        entries.append(
            entry(
                name,
                model.vae,
                model.part,
                importance_samples=importance_samples
                or config.get("importance_samples", IMPORTANCE_SAMPLES),
                seed=config.get("seed", 0),
                epochs=metrics.get("epochs"),
                seconds=metrics.get("seconds"),
                curves=model.found.model,
                measures=model.found.model / "measures.json",
                num_entries=len(models),
            )
        )
    first = models[0]
    told = "the data given" if first.format is None else first.format.name
    one = len(entries) == 1
    subject = Subject(
        title=f"{entries[0].name} on {told}" if one else f"Priors on {told}",
        summary=f"{_count(len(entries), 'trained model')}, measured on {len(first.part):,} "
        "held-out data" + ("." if one else " each."),
        data_range=_range(first),
        recipes=_recipes(models),
        label_names=None if first.format is None else first.format.label_names,
        columns=None if first.format is None else first.format.columns,
    )
    write_page(target, entries, subject)
    console.print(f"The report is {target}.", markup=False)


def _target(runs: list[str], out: str | None) -> Path:
    if out is None and len(runs) == 1:
        return Path(runs[0]) / "report.html"
    target = Path("report.html" if out is None else out)
    if target.exists():
        raise FileExistsError(
            f"expected a file that does not exist yet, got {target}; name another with --out."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"expected a directory at {target.parent}, found none; make it.")
    return target


def _load_all(
    runs: list[str],
    data: str | None,
    labels: str | None,
    options: dict[str, Any] | None,
    encoder: dict[str, Any] | None,
    decoder: dict[str, Any] | None,
) -> list[_Model]:
    models = []
    for run in runs:
        parts: dict[Path, Part] = {}
        for found in _in_order(find_runs(run)):
            kept = (found.home / "data.json").is_file()
            if found.home not in parts:
                parts[found.home] = _open(found, kept, data, labels, options)
            vae = load(
                found.model,
                encoder=build_module("encoder", encoder),
                decoder=build_module("decoder", decoder),
            )
            make_ready(vae, str(found.model))
            part = parts[found.home]
            if vae.needs_labels and part.labels is None:
                raise ValueError(
                    f"expected labels for the {type(vae.prior).__name__} of {found.model}, got "
                    "none; name a file of them with --labels."
                )
            format = DataFormat.read(found.home) if kept else None
            models.append(_Model(Path(run), found, vae, part, format))
    return models


def _in_order(found: list[FoundRun]) -> list[FoundRun]:
    """Return the models of a run in the order of its configuration."""
    named = str(found[0].config.get("priors", "")).split(",")
    places = {name: place for place, name in enumerate(named)}
    return sorted(found, key=lambda one: places.get(one.model.name, len(places)))


def _open(
    found: FoundRun,
    kept: bool,
    data: str | None,
    labels: str | None,
    options: dict[str, Any] | None,
) -> Part:
    if kept:
        return open_part(str(found.model), data, labels, options)[1]
    if data is None:
        raise ValueError(
            f"expected data to report on {found.model} with, as none were saved beside it, got "
            "none; name them with --data."
        )
    source = open_source(data, labels=labels, options=options)
    return Part(source.x, torch.arange(len(source.x)), source.labels)


def _names(models: list[_Model]) -> list[str]:
    """Return the name of each prior, with that of its run where a name alone would not do."""
    plain = [type(model.vae.prior).__name__ for model in models]
    if len(set(plain)) == len(plain):
        return plain
    beside = [f"{p} ({model.run.resolve().name})" for p, model in zip(plain, models, strict=True)]
    if len(set(beside)) == len(beside):
        return beside
    return [f"{p} ({model.found.model})" for p, model in zip(plain, models, strict=True)]


def _metrics(model: _Model) -> dict[str, Any]:
    """Return what the run says of its training; nothing where it does not."""
    found = read_record(model.found.home / "metrics.json", "a run")
    if found is None:
        return {}
    own = found.get(type(model.vae.prior).__name__, found)
    return {name: own[name] for name in ("epochs", "seconds") if name in own}


def _recipes(models: list[_Model]) -> tuple[Recipe, ...]:
    """Return how each run is repeated, once for all models of a run."""
    recipes = {}
    for model in models:
        home, config = model.found.home, model.found.config
        known = {"priors": "compare", "run": "refit", "prior": "train"}
        command = next((known[name] for name in known if name in config), None)
        file = home / "config.yaml"
        recipes[home] = Recipe(
            str(model.run),
            "" if command is None else shlex.join(["priory", command, "--config", str(file)]),
            file.read_text() if config else "",
        )
    return tuple(recipes.values())


def _range(model: _Model) -> DataRange:
    """Return the values to draw white and black: the encoder's range, or that of the data."""
    known: DataRange | None = getattr(model.vae.encoder, "data_range", None)
    if known is not None and not isinstance(known, Tensor):
        return known
    x = model.part.tensor()
    low, high = float(x.min()), float(x.max())
    return (low, high if high > low else low + 1)


def _count(count: int, what: str) -> str:
    return f"A {what}" if count == 1 else f"{count} {what}s"
