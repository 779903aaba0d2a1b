"""`priory sample`: data that a model makes up."""

import torch
from torch import Tensor

from priory.arguments import MOST_SEED, within
from priory.commands.own_classes import open_run
from priory.commands.samples_file import Samples, check_count, endings, write_samples
from priory.data import DataFormat
from priory.evaluation import decode
from priory.evaluation.draws import components_to_draw, draw, draw_from
from priory.files import checked_file
from priory.networks.context import Context
from priory.printing import plain_console
from priory.runs import Run
from priory.runs.options import OwnClasses
from priory.suggestions import did_you_mean, short
from priory.vae import VAE

FEW, MANY = 8, 64


def sample(
    run: str,
    classes: OwnClasses,
    n: int | None = None,
    component: int | None = None,
    per_component: bool = False,
    label: str | None = None,
    mean: bool = False,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Write data drawn from a model, as a picture or in the data's own units.

    A model that is told of labels draws for those of the run's own test data, as frequent as they
    are there, unless one is named.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        classes: Parts of the model.
        n: How many examples to draw, 64 if not given; of each component with `--per-component`, 8.
        component: Draw from this component of a mixture alone, by its position from 0.
        per_component: Draw from each component of a mixture, the heaviest first, a row for each.
        label: Draw examples of this label, by its name or number.
        mean: Take the mean of p(x|z), which is smooth and has no noise of its own, for each z.
        seed: The seed of the draws.
        out: The file to write: of images a picture, `.png` or `.pdf`; of any data `.csv`,
            `.parquet` or `.npy`; `samples.png` for images and else `samples.csv` if not given.

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
        code = None if label is None else _code(vae, form, label)
        order, weights = components_to_draw(vae, code, component, per_component)
        total = n if order is None else n * len(order)
        check_count(path, total)
        labels = _labels(opened, code, total)
        z = draw(vae, labels, total) if order is None else draw_from(vae, code, order, n)
        x = decode(vae, z, Context(labels=labels), mean)
    samples = Samples(x, form, labels, order if per_component else None, weights)
    write_samples(path, samples, getattr(vae.encoder, "data_range", None))
    plain_console().print(f"{len(x)} samples of {type(vae.prior).__name__}: {path}.")


def _code(vae: VAE, form: DataFormat, label: str) -> int:
    """Return the number of a label."""
    if not vae.needs_labels:
        raise ValueError(f"expected no label for a model that is told of none, got {label}.")
    names = form.label_names
    if names is None:
        if not label.isdecimal():
            raise ValueError(f"expected the number of a label, got {label!r}.")
        return int(label)
    if label not in names:
        near = did_you_mean(label, names)
        raise ValueError(f"expected one of the labels {short(', '.join(names))}, got {label}{near}")
    return names.index(label)


def _labels(run: Run, code: int | None, count: int) -> Tensor | None:
    """Return the label of each sample: the one asked for, or as frequent as in the test data."""
    if not run.model.needs_labels:
        return None
    if code is not None:
        return torch.full((count,), code)
    labels = run.test.labels
    if labels is None:
        raise ValueError(
            f"expected labels of the data of {run.path}, got none; name one with --label."
        )
    return labels[torch.randint(len(labels), (count,))]
