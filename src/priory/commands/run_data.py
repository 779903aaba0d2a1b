"""The data of a run, opened again, and further data read as those were."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions.constraints import Constraint

from priory.data import DataFormat, Part, Splits, open_data
from priory.priors import Prior
from priory.training import FoundRun, find_run
from priory.vae import VAE

DEFAULTS = {
    "data": None,
    "data_options": None,
    "labels": None,
    "validation": 0.1,
    "test": 0.1,
    "binarise": "none",
    "seed": 0,
}


def open_run_data(config: Mapping[str, Any]) -> Splits:
    """Open the data that a configuration names."""
    return open_data(
        config["data"],
        config["seed"],
        config["validation"],
        config["test"],
        config["labels"],
        config["data_options"],
        config["binarise"],
    )


def open_part(
    run: str, data: str | None, labels: str | None, options: Mapping[str, Any] | None
) -> tuple[Path, Part]:
    """Open further data for a run, or its own test data.

    Args:
        run: The directory of the run.
        data: The further data; None takes the run's own test data, or, where it kept none, those it
            validated on.
        labels: A file of their labels.
        options: Options of their kind.

    Returns:
        The directory of the model, and the data.

    Raises:
        FileNotFoundError: If there is no such run or no such file.
        ValueError: If a file is damaged, or the data do not fit the model.

    """
    found = find_run(run)
    config = _data_config(found)
    kept = DataFormat.read(found.home)
    if data is not None:
        part = kept.open(data, labels=labels, options=options, seed=config["seed"])
    elif config["data"] is None:
        raise ValueError(f"expected the data of {run} in its config.yaml, got none; use --data.")
    else:
        splits = open_run_data(config)
        part = splits.test if len(splits.test) else splits.validation
    return found.model, part


@torch.no_grad()
def check_fits(
    vae: VAE, x: Tensor, name: str, labels: Tensor | None = None, start: int = 0
) -> None:
    """Check that data are such as a model was trained on.

    Args:
        vae: The model.
        x: The data, `(N, *data_shape)`.
        name: What to call them in an error.
        labels: Their classes, where the model is told of them to make a datum.
        start: The position of the first of them.

    Raises:
        ValueError: If they have another shape, or one is outside the support of the likelihood.

    """
    context = vae.context_of(None if labels is None else labels[:1])
    z = vae.posterior(torch.zeros_like(x[:1]), context).mean  # of x it may not be finite
    likelihood = vae.likelihood(z, context)
    if x.shape[1:] != likelihood.event_shape:
        raise ValueError(
            f"expected data of shape (N, {', '.join(map(str, likelihood.event_shape))}), such as "
            f"the model was trained on, got {tuple(x.shape)} from {name}; name others with --data."
        )
    inside = cast(Constraint, likelihood.support).check(x)
    if not inside.all():
        first = start + int((~inside).nonzero()[0])
        raise ValueError(
            f"expected data within the support of the model's likelihood, got others in datum "
            f"{first} of {name}; name others with --data."
        )


def open_parts(
    run: str, data: str | None, labels: str | None, options: Mapping[str, Any] | None
) -> tuple[Path, Part, Part | None]:
    """Open further data for a run, or its own test data, and those it was trained on, each once.

    Args:
        run: The directory of the run.
        data: The further data; None takes the run's own, as `open_part` does.
        labels: A file of their labels.
        options: Options of their kind.

    Returns:
        The directory of the model, the data, and the training data with grey values drawn once;
        None where the run does not say which, or they are no longer there.

    Raises:
        FileNotFoundError: If there is no such run or no such file.
        ValueError: If a file is damaged, or the data do not fit the model.

    """
    if data is not None:
        return *open_part(run, data, labels, options), open_training(run)
    found = find_run(run)
    config = _data_config(found)
    DataFormat.read(found.home)
    if config["data"] is None:
        raise ValueError(f"expected the data of {run} in its config.yaml, got none; use --data.")
    splits = open_run_data(_drawn_once(config))
    return found.model, splits.test if len(splits.test) else splits.validation, splits.train


def open_training(run: str, drawn_once: bool = True) -> Part | None:
    """Open the data that a run was trained on.

    Args:
        run: The directory of the run.
        drawn_once: Whether grey values are drawn as zeros and ones, once, as data to measure by
            are, or stay what the prior was made of.

    Returns:
        The data; None where the run does not say which, or they are no longer there.

    Raises:
        FileNotFoundError: If there is no such run.
        ValueError: If a file is damaged.

    """
    config = _data_config(find_run(run))
    if config["data"] is None:
        return None
    try:
        return open_run_data(_drawn_once(config) if drawn_once else config).train
    except FileNotFoundError:
        return None


def is_ready(vae: VAE) -> bool:
    """Whether a loaded prior can be called, or is made of training data that are not saved."""
    if cast(Prior, vae.prior).needs_labels:  # which know no data
        return True
    try:
        vae.prior_distribution()
    except RuntimeError:
        return False
    return True


def make_ready(vae: VAE, run: str) -> None:
    """Give a loaded prior the training data of its run where it cannot be called without them.

    Args:
        vae: The model.
        run: The directory of the run.

    Raises:
        ValueError: If it needs them and they are no longer there.

    """
    if is_ready(vae):
        return
    training = open_training(run, drawn_once=False)
    if training is None:
        raise ValueError(
            f"expected the training data of {run}, of which its {type(vae.prior).__name__} is "
            "made, where config.yaml names them, found none; put them back."
        )
    cast(Prior, vae.prior).fit_data(training.tensor(), vae.encoder)


def _drawn_once(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return where data come from, with grey values of the training data drawn once."""
    how = "static" if config["binarise"] == "dynamic" else config["binarise"]
    return {**config, "binarise": how}


def _data_config(found: FoundRun) -> dict[str, Any]:
    return {**DEFAULTS, **{name: found.config[name] for name in DEFAULTS if name in found.config}}
