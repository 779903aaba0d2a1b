"""`priory sample`: generate data from a model."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from priory.arguments import MOST_SEED, within
from priory.commands.own_classes import open_run
from priory.commands.samples_file import Samples, check_count, endings, write_samples
from priory.data import DataFormat
from priory.evaluation import decode
from priory.evaluation.draws import components_to_draw, draw, draw_from
from priory.evaluation.latent_labels import LatentLabels, latent_labels
from priory.files import checked_file
from priory.networks.context import Context
from priory.printing import plain_console
from priory.priors.base import title_of
from priory.runs import Run
from priory.runs.options import OwnClasses
from priory.suggestions import did_you_mean, short

FEW, MANY = 8, 64


def sample(
    run: str,
    classes: OwnClasses,
    n: int | None = None,
    component: int | None = None,
    per_component: bool = False,
    label: str | None = None,
    batch: str | None = None,
    mean: bool = False,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Write samples from a model, as a picture or in the data's original units.

    If a model takes labels or batches, they are as frequent as in the run's test data, unless you
    name one. If it takes no labels but its training data have some, the labels of samples are an
    estimate: for a mixture from its components, for any other prior from a classifier of latents.
    The exposures of counts, such as the sequencing depth of a cell, are drawn from those in the
    batch.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        classes: Parts of the model.
        n: The number of samples, 64 by default; with `--per-component`, 8 from each component.
        component: Sample only from this component of a mixture, numbered from 0.
        per_component: Sample from each component of a mixture, one row each, the heaviest first.
        label: Sample only this label, by name or number; an estimate if the model takes no labels.
        batch: Sample only this batch, by name or number.
        mean: Write the mean of p(x|z) for each z, which is smooth, instead of a sample.
        seed: The random seed.
        out: The file to write: a picture, `.png` or `.pdf`, for images; `.csv`, `.parquet` or
            `.npy` for any data; also `.h5ad` for cells; by default `samples.png` for images and
            `samples.csv` otherwise.

    Examples:
        priory sample runs/people -n 1000 --out made-up.csv
    """
    within(0, MOST_SEED, seed=seed)
    opened = open_run(run, classes)
    form = opened.format or DataFormat.read(opened.home)
    allowed = endings(form)
    why = "" if ".png" in allowed else " (pictures are for images)"
    path = checked_file(out or f"samples{allowed[0]}", allowed, why)
    n = (FEW if per_component else MANY) if n is None else n
    if n < 1:
        raise ValueError(f"expected at least one sample, got n={n}.")
    within(1, 10**8, n=n)
    if per_component and component is not None:
        raise ValueError("expected a component or per_component, got both; leave one out.")
    vae = opened.model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        code, batch_code = None, None
        estimate = None if vae.needs_labels else _estimate(opened, form, label)
        if label is not None:
            code = _code(vae.needs_labels or estimate is not None, "label", form.label_names, label)
        if batch is not None:
            batch_code = _code(vae.num_batches is not None, "batch", form.batch_names, batch)
        order, weights = components_to_draw(vae, code, component, per_component)
        if estimate is not None and code is not None and code >= estimate.num_labels:
            raise ValueError(f"expected a label from 0 to {estimate.num_labels - 1}, got {code}.")
        if order is not None and estimate is not None and code is not None:
            raise ValueError(
                "expected a label or components for a model that takes no labels, got both; "
                "leave one out."
            )
        total = n if order is None else n * len(order)
        check_count(path, total)
        labels, batches = _labels_and_batches(opened, code, batch_code, total)
        if order is not None:
            z = draw_from(vae, code, order, n)
        elif estimate is not None and code is not None:
            z = estimate.draw(code, total)
        else:
            z = draw(vae, labels, total)
        outside = None if form.columns is None else form.columns.outside
        x = decode(vae, z, Context(labels=labels, batch_label=batches), mean, outside)
        about = ""
        if estimate is not None:
            about = f"; labels are an estimate, {estimate.how}"
            labels = estimate.labels_at(z) if code is None else torch.full((total,), code)
    samples = Samples(x, form, labels, order if per_component else None, weights, batches)
    write_samples(path, samples, getattr(vae.encoder, "data_range", None))
    plain_console().print(f"{len(x)} samples of {title_of(vae.prior)}: {path}{about}.")


def _estimate(run: Run, form: DataFormat, label: str | None) -> LatentLabels | None:
    """Return where labels lie in the latent space, for a model that takes no labels.

    None where nobody asks: no label is named, and the data are no table with a column of labels.
    """
    if label is None and (form.columns is None or form.columns.label is None):
        return None
    part = run.training
    if part is None or part.labels is None:
        if label is None:
            return None
        raise ValueError(
            "expected training data with labels, or no label for a model that takes none, got "
            f"{label}; leave it out."
        )
    vae, count = run.model, len(form.label_names or ()) or int(part.labels.max()) + 1
    return latent_labels(vae, part.tensor(), part.labels, count, vae.context_of(**part.annotations))


def _code(is_told: bool, what: str, names: Sequence[str] | None, given: str) -> int:
    """Return the number of a label, or of a batch."""
    several = {"label": "labels", "batch": "batches"}[what]
    if not is_told:
        raise ValueError(f"expected no {what} for a model that takes none, got {given}.")
    if names is None:
        if not given.isdecimal():
            raise ValueError(f"expected the number of a {what}, got {given!r}.")
        return int(given)
    if given not in names:
        near = did_you_mean(given, names)
        shown = short(", ".join(names))
        raise ValueError(f"expected one of the {several} {shown}, got {given}{near}")
    return names.index(given)


def _labels_and_batches(
    run: Run, label: int | None, batch: int | None, count: int
) -> tuple[Tensor | None, Tensor | None]:
    """Return the label and the batch of each sample: those requested, or as in the test data."""
    vae = run.model
    asked = {"labels": label, "batch_label": batch}
    needed = [name for name in asked if name in vae.needs]
    drawn: dict[str, Tensor] = {}
    if open_ones := [name for name in needed if asked[name] is None]:
        drawn = _as_in_test_data(run, open_ones, asked, count)
    for name in needed:
        if (code := asked[name]) is not None:
            drawn[name] = torch.full((count,), code)
    return drawn.get("labels"), drawn.get("batch_label")


def _as_in_test_data(
    run: Run, names: Sequence[str], asked: Mapping[str, int | None], count: int
) -> dict[str, Tensor]:
    """Draw labels and batches from test examples that have the requested label or batch."""
    annotations = run.test.annotations
    for name in names:
        if annotations[name] is None:
            words = {"labels": ("labels", "label"), "batch_label": ("batches", "batch")}[name]
            raise ValueError(
                f"expected {words[0]} of the data of {run.path}, got none; name one with "
                f"--{words[1]}."
            )
    rows = torch.arange(len(run.test))
    for name, code in asked.items():
        if code is not None and (values := annotations[name]) is not None:
            rows = rows[values[rows] == code] if (values[rows] == code).any() else rows
    rows = rows[torch.randint(len(rows), (count,))]
    return {name: cast(Tensor, annotations[name])[rows] for name in names}
