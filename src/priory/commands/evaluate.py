"""`priory evaluate`: all that can be asked of a trained model."""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from priory.commands.run_data import make_ready, open_parts
from priory.evaluation import NLL, Measures, measure
from priory.files import write_whole
from priory.saving import load


def evaluate(
    run: str,
    data: str | None = None,
    labels: str | None = None,
    data_options: dict[str, Any] | None = None,
    importance_samples: int = 5000,
    max_components: int | None = None,
    max_training: int = 20_000,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Ask a trained model all questions that have a number for an answer.

    Args:
        run: The directory of a run, or of a model within it.
        data: Held-out data, in the format of those trained on; by default the run's own test data.
        labels: A file of their labels.
        data_options: Further options of the kind of data.
        importance_samples: The importance samples per datum for the NLL.
        max_components: The most components of a mixture to take for the NLL of a datum, the best;
            fewer than all can only raise it. Of use with an exemplar prior of many data.
        max_training: The most training data to take.
        seed: The seed of the noise.
        out: The file to write, by default `measures.json` in the run, which is replaced.

    """
    if out is not None and Path(out).exists():
        raise FileExistsError(f"expected a file that does not exist yet, got {out}; name another.")
    target = Path(run) / "measures.json" if out is None else Path(out)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"expected a directory at {target.parent}, found none; make it.")
    model, part, training = open_parts(run, data, labels, data_options)
    vae = load(model)
    make_ready(vae, run)
    found = measure(
        vae,
        part.tensor(),
        None if training is None else training.tensor(),
        context=vae.context_of(part.labels),
        training_context=None if training is None else vae.context_of(training.labels),
        num_samples=importance_samples,
        max_components=max_components,
        max_training=max_training,
        seed=seed,
    )
    write_whole(target, (json.dumps(_plain(found), indent=2) + "\n").encode())
    console = Console(highlight=False, soft_wrap=True)
    console.print(_table(found))
    for sentence in found.warnings:
        console.print(sentence)
    console.print(f"All numbers are in {target}.")


def _plain(value: Any) -> Any:
    """Return what JSON can hold; numbers that are not finite become null."""
    if isinstance(value, NLL):
        return _likelihood(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _likelihood(nll: NLL) -> dict[str, Any]:
    """Return the numbers of an NLL without those of each datum, which `priory score` writes."""
    sizes = nll.effective_sample_size.double()
    k = nll.pareto_k
    return {
        "mean": nll.mean,
        "standard_error": _plain(nll.standard_error),
        "num_samples": nll.num_samples,
        "effective_sample_size": {"median": float(sizes.median()), "least": float(sizes.min())},
        "pareto_k": None
        if k is None
        else {"num_data": len(k), "median": _plain(float(k.median())), "heavy": nll.heavy_share},
        "curve": [{"num_samples": s, "nll": value} for s, value in nll.curve],
        "still_to_fall": _plain(nll.still_to_fall),
        "trustworthy": nll.trustworthy,
        "warnings": list(nll.warnings),
    }


def _table(found: Measures) -> Table:
    table = Table(
        title=f"{found.num_data} held-out data, nats per datum",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("to read it by", overflow="fold")
    for row in found.readings:
        table.add_row(*row)
    return table
