"""What a report holds of a model, as the commands gather it."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import JustifyMethod
from rich.table import Table

from priory.data import Part
from priory.evaluation import Evaluation, evaluate, exhibit, explore
from priory.report import Entry
from priory.report.comparison import HEADER, notes
from priory.runs.run import read_record
from priory.training import read_curves
from priory.vae import VAE

MOST_COMPONENTS = 500


def report_entry(
    name: str,
    vae: VAE,
    part: Part,
    *,
    importance_samples: int,
    seed: int = 0,
    evaluation: Evaluation | None = None,
    epochs: int | None = None,
    seconds: float | None = None,
    curves: Path | None = None,
    measures: Path | None = None,
    num_entries: int = 1,
) -> Entry:
    """Measure a model, and walk through it.

    Args:
        name: What to call it.
        vae: The model.
        part: Held-out data.
        importance_samples: The importance samples per datum for the NLL.
        seed: The seed of the noise.
        evaluation: Its numbers, where they are known.
        epochs: Epochs trained.
        seconds: Seconds of training.
        curves: The directory of the training curves.
        measures: The file that `priory evaluate` wrote; one that is not there is none.
        num_entries: How many share the page; with many, fewer components of each are shown.

    Raises:
        ValueError: If the file of measures is damaged.

    """
    x, context = part.tensor(), vae.context_of(part.labels)
    shown = exhibit(vae, x, seed=seed, context=context)
    return Entry(
        name,
        evaluation or evaluate(vae, x, importance_samples, seed, context),
        shown,
        epochs,
        seconds,
        exploration=explore(
            vae,
            x,
            z=shown.z,
            context=context,
            labels=part.labels,
            most_components=MOST_COMPONENTS // num_entries,
            seed=seed,
        ),
        labels=part.labels,
        curves={} if curves is None else read_curves(curves),
        measures=None if measures is None else read_record(measures, "priory evaluate"),
        parameters=sum(p.numel() for p in vae.prior.parameters()),
    )


def comparison_table(entries: Sequence[Entry], title: str) -> Table:
    samples = entries[0].evaluation.num_samples
    caption = f"NLL by {samples} importance samples per datum, ± its standard error over data"
    caption = "\n".join([caption, *notes(entries)])
    table = Table(
        title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for index, head in enumerate(HEADER):
        justify: JustifyMethod = "right" if index else "left"
        least = max(map(len, head.split()))
        table.add_column(head, justify=justify, no_wrap=" in " not in head, min_width=least)
    for entry in entries:
        table.add_row(*entry.row)
    return table
