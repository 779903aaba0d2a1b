"""`priory evaluate`: all that can be asked of a trained model."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from priory import report
from priory.commands.run_data import make_ready, open_parts
from priory.data import DataFormat
from priory.evaluation import measure
from priory.files import write_whole
from priory.saving import load
from priory.training import find_run


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
    write_whole(target, (json.dumps(found.as_json(), indent=2) + "\n").encode())
    console = Console(highlight=False, soft_wrap=True)
    columns = DataFormat.read(find_run(run).home).columns
    console.print(report.scores_table(found, f"{found.num_data} held-out data", columns))
    for sentence in found.warnings:
        console.print(sentence)
    console.print(f"All numbers are in {target}.")
