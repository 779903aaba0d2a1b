"""`priory score`: how probable data are under a model."""

import torch

from priory.arguments import MOST_SEED, within
from priory.commands.columns_file import SUFFIXES, write_columns
from priory.commands.own_classes import open_run
from priory.evaluation import negative_log_likelihood
from priory.files import checked_file
from priory.printing import plain_console
from priory.report import density_unit
from priory.runs.options import FurtherData, MeasuringOptions, OwnClasses, WorkOptions


def score(
    run: str,
    data: FurtherData,
    measuring: MeasuringOptions,
    classes: OwnClasses,
    work: WorkOptions,
    seed: int = 0,
    out: str = "scores.csv",
) -> None:
    """Write log p(x) of data in nats, one row per example.

    The lowest scores belong to the most unusual examples.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to score.
        measuring: How precisely to measure.
        classes: Parts of the model.
        work: Where to compute.
        seed: The random seed.
        out: The file to write, `.csv`, `.parquet` or `.npy`.

    Examples:
        priory score runs/people --data others.csv --out scores.csv
    """
    within(0, MOST_SEED, seed=seed)
    path, (processes, device) = checked_file(out, SUFFIXES), work.start()
    opened = open_run(run, classes, device)
    part, vae = data.of(opened), opened.model
    x, samples = part.tensor(), measuring.importance_samples
    opened.check_fits(x, data.data or "the test data", part.labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        context = vae.context_of(**part.annotations)
        nll = negative_log_likelihood(vae, x, samples, context, processes=processes)
    if processes.rank > 0:  # the first process writes
        return
    log_prob = -nll.per_example
    write_columns(path, log_prob, ["log_prob"])
    unit, constant = density_unit(None if opened.format is None else opened.format.columns)
    shift = f"; {constant:.2f} less in the columns' original units" if constant else ""
    plain_console().print(
        f"{len(log_prob)} examples, log p(x) {float(log_prob.mean()):.2f} on average, with "
        f"{samples} importance samples each, in {unit.partition(' (')[0]}{shift}: {path}."
    )
