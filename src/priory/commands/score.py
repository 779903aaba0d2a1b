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
    """Write log p(x) of data in nats, a row for each example.

    The lowest are the least expected.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to score.
        measuring: How well.
        classes: Parts of the model.
        work: Where it is done.
        seed: The seed of the noise.
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
    log_prob = -nll.per_datum
    write_columns(path, log_prob, ["log_prob"])
    unit, constant = density_unit(None if opened.format is None else opened.format.columns)
    shift = f"; in the columns' own units {constant:.2f} less" if constant else ""
    plain_console().print(
        f"{len(log_prob)} examples, log p(x) {float(log_prob.mean()):.2f} on average, by {samples} "
        f"importance samples each, in {unit.partition(' (')[0]}{shift}: {path}."
    )
