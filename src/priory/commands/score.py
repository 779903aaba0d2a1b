"""`priory score`: how probable data are under a model."""

import torch
from jaxtyping import Float
from torch import Tensor

from priory.arguments import MOST_SEED, within
from priory.commands.columns_file import SUFFIXES, write_columns
from priory.commands.own_classes import open_run
from priory.evaluation import LogProb, negative_log_likelihood
from priory.files import checked_file
from priory.printing import plain_console
from priory.report import density_unit
from priory.runs import Run
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
    """Write log p(x) of data in nats, one row per example, and its percentile.

    The lowest scores belong to the most unusual examples. The percentile is the share of the run's
    test data with a lower log p(x), in percent. Each row also has the name of its example; or, for
    a table, the number of the row, from 0, and the columns that are neither data nor labels.

    Args:
        run: The directory of a run, or of a model within it, such as `runs/compare-1/VampPrior`.
        data: Data to score.
        measuring: How precisely to measure.
        classes: Parts of the model.
        work: Where to compute.
        seed: The random seed.
        out: The file to write, `.csv` or `.parquet`; or `.npy` for log p(x) only.

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
    test = log_prob if data.data is None else _of_test_data(opened)
    if path.suffix == ".npy":
        write_columns(path, log_prob, [])
    else:
        both = torch.stack((log_prob, percentiles(log_prob, log_prob if test is None else test)), 1)
        write_columns(path, both, ["log_prob", "percentile"], part.known_by)
    among = "these examples" if test is None or data.data is None else f"{len(test):,} test data"
    unit, constant = density_unit(None if opened.format is None else opened.format.columns)
    shift = f"; {constant:.2f} less in the columns' original units" if constant else ""
    plain_console().print(
        f"{len(log_prob)} examples, log p(x) {float(log_prob.mean()):.2f} on average, with "
        f"{samples} importance samples each, in {unit.partition(' (')[0]}{shift}; percentiles are "
        f"among {among}: {path}."
    )


def percentiles(
    log_prob: Float[Tensor, " N"], reference: Float[Tensor, " M"]
) -> Float[Tensor, " N"]:
    """Return the share of others that lie below each number, in percent; half of those equal to it.

    Examples:
        >>> import torch
        >>> from priory.commands.score import percentiles
        >>> percentiles(torch.tensor([-9.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
        tensor([  0.0000,  37.5000, 100.0000])
    """
    ordered = reference.to(log_prob).sort().values
    below, up_to = (torch.searchsorted(ordered, log_prob, right=right) for right in (False, True))
    return 50 * (below + up_to).to(log_prob) / len(ordered)


def _of_test_data(run: Run) -> Tensor | None:
    """Return log p(x) of the run's own test data, as its training left it; None without."""
    try:
        return LogProb.read(run.path).values
    except FileNotFoundError:
        return None
