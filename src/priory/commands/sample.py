"""`priory sample`: data that a model makes up."""

import torch
from rich.console import Console
from torch import Tensor
from torch.distributions import Distribution

from priory.blockwise import blocks
from priory.commands.own_classes import open_run
from priory.commands.samples_file import Samples, check_count, endings, write_samples
from priory.data import DataFormat
from priory.distributions import GaussianMixture
from priory.evaluation import decode
from priory.files import checked_file
from priory.networks.context import Context
from priory.runs import Run
from priory.runs.options import OwnClasses, check_range
from priory.suggestions import did_you_mean
from priory.vae import VAE

FEW, MANY = 8, 64


def sample(
    run: str,
    classes: OwnClasses,
    n: int | None = None,
    component: int | None = None,
    per_component: bool = False,
    label: int | str | None = None,
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
    opened = open_run(run, classes)
    form = opened.format or DataFormat.read(opened.home)
    allowed = endings(form)
    why = "" if ".png" in allowed else " (pictures are for images)"
    path = checked_file(out or f"samples{allowed[0]}", allowed, why)
    n = (FEW if per_component else MANY) if n is None else n
    if n < 1:
        raise ValueError(f"expected at least one sample, got n={n}.")
    check_range("n", n, 1, 10**8)
    if per_component and component is not None:
        raise ValueError("expected a component or per_component, got both; leave one out.")
    vae = opened.model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        code = None if label is None else _code(vae, form, label)
        order, weights = _components(vae, code, component, per_component)
        total = n if order is None else n * len(order)
        check_count(path, total)
        labels = _labels(opened, code, total)
        z = _draw(vae, labels, total) if order is None else _draw_from(vae, code, order, n)
        x = decode(vae, z, Context(labels=labels), mean)
    samples = Samples(x, form, labels, order if per_component else None, weights)
    write_samples(path, samples, getattr(vae.encoder, "data_range", None))
    Console(soft_wrap=True, markup=False).print(
        f"{len(x)} samples of {type(vae.prior).__name__}: {path}."
    )


def _code(vae: VAE, form: DataFormat, label: int | str) -> int:
    """Return the number of a label."""
    if not vae.needs_labels:
        raise ValueError(f"expected no label for a model that is told of none, got {label}.")
    names = form.label_names
    if names is None:
        if isinstance(label, str):
            raise ValueError(f"expected the number of a label, got {label!r}.")
        return label
    if str(label) not in names:
        near = did_you_mean(str(label), names)
        raise ValueError(f"expected one of the labels {', '.join(names)}, got {label}{near}")
    return names.index(str(label))


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


def _draw(vae: VAE, labels: Tensor | None, count: int) -> Tensor:
    """Draw z from the prior, `(M, L)`."""
    if labels is None:
        return vae.prior_distribution().sample(torch.Size((count,)))
    parts = []
    for rows in blocks(len(labels), most=1024):  # each label may have a mixture of its own
        p = vae.prior_distribution(Context(labels=labels[rows]))
        parts.append(p.sample() if p.batch_shape else p.sample(labels[rows].shape))
    return torch.cat(parts)


def _components(
    vae: VAE, code: int | None, component: int | None, each: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the components to draw from, the heaviest first, and their weights."""
    if component is None and not each:
        return None, None
    weights = _mixture(vae, code).logits.exp().flatten()
    if component is None:
        order = weights.argsort(descending=True, stable=True)
        return order, weights[order]
    if not 0 <= component < len(weights):
        raise ValueError(f"expected a component from 0 to {len(weights) - 1}, got {component}.")
    return torch.tensor([component]), weights[[component]]


def _draw_from(vae: VAE, code: int | None, order: Tensor, n: int) -> Tensor:
    """Draw n latents from each of some components, `(C n, L)`."""
    p = _mixture(vae, code)
    loc, scale = (t.flatten(0, -2)[order].repeat_interleave(n, 0) for t in (p.loc, p.scale))
    return torch.addcmul(loc, torch.randn_like(loc), scale)


def _mixture(vae: VAE, code: int | None) -> GaussianMixture:
    """Return the prior, of one label where it is one for each, with K components."""
    context = Context(labels=None if code is None else torch.tensor([code]))
    if code is None and getattr(vae.prior, "needs_labels", False):
        raise ValueError(
            "expected a label, as each has components of its own, got none; name it with --label."
        )
    with torch.no_grad():
        p: Distribution = vae.prior_distribution(context)
    if not isinstance(p, GaussianMixture):
        raise ValueError(
            f"expected a prior that is a mixture of components, got {type(vae.prior).__name__}; "
            "draw from it as a whole."
        )
    return p
