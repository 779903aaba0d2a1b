"""`priory demo`: a toy where a learned prior matters, and digits where it hardly does."""

from functools import partial
from pathlib import Path
from typing import Any

from priory.commands.comparison import Comparison
from priory.printing import plain_console
from priory.report import Chapter
from priory.runs import CompareConfig, new_run_directory, next_free
from priory.runs.layout import PAGE
from priory.runs.model_options import ComparedOptions
from priory.runs.options import DataOptions, RepeatOptions, ReportOptions
from priory.training import TrainingSettings

IMPORTANCE_SAMPLES = 512
QUICK = partial(TrainingSettings, optimizer="adam", patience=None)
RINGS = (
    "This is a toy example, made to show what holes are: eight clusters on a ring, mapped to 20 "
    "dimensions by a fixed function. There is nothing between the clusters. The standard prior is "
    "one round hill, so many of its samples fall between the clusters, where the decoder was never "
    "trained. A mixture of Gaussians and a VampPrior learn where the codes are, and so they fill "
    "the holes."
)
DIGITS = (
    "The same three priors on scikit-learn's digits. Here the prior hardly matters, and this is "
    "how you can tell: q(z) already looks much like one round hill, few samples of any prior fall "
    "into holes, and the differences in NLL are small."
)
SETTINGS = {  # networks and epochs for three minutes in all
    "rings": ((64, 64), QUICK(max_epochs=80, batch_size=250, learning_rate=5e-3)),
    "digits": ((128, 128), QUICK(max_epochs=60, batch_size=100, learning_rate=2e-3)),
}


def demo(seeds: int = 3, out: str | None = None) -> None:
    """Show what a learned prior is for, on one page and in about three minutes.

    It compares three priors on two data sets: rings, a toy example made to show holes and how a
    learned prior fills them, and digits, where the prior hardly matters. Each comparison is an
    ordinary run of `priory compare` in its own directory, with small networks.

    Args:
        seeds: How many times to train each prior, with consecutive seeds.
        out: The run directory to create; by default the first of `runs/demo-1`, `runs/demo-2`, ...
            that does not exist.

    Examples:
        priory demo --out runs/first-look
    """
    repeats, console = RepeatOptions(seeds=seeds), plain_console()
    target = Path(out) if out is not None else next_free("runs", "demo")
    with new_run_directory(target) as run:
        rings, digits = (_compared(data, repeats, run / data, console) for data in SETTINGS)
        digits.write(run / "digits", target / "digits")
        chapter = Chapter(
            "And digits, where the prior hardly matters",
            f"{DIGITS} {digits.summary}",
            digits.entries,
            picture=run / "digits" / "priors.png",
            address=f"digits/{PAGE}",
        )
        rings.write(
            run / "rings",
            target / "rings",
            page=run / PAGE,
            title="What a learned prior is for",
            summary=f"{RINGS} {rings.summary}",
            further=[chapter],
        )
    rings.show(console)
    digits.show(console)
    console.print(f"The page is {target / PAGE}. Open it in a browser.")


def _compared(data: str, repeats: RepeatOptions, directory: Path, console: Any) -> Comparison:
    sizes, training = SETTINGS[data]
    config = CompareConfig(
        data=DataOptions(data=data),
        model=ComparedOptions(hidden_sizes=sizes),
        training=training,
        repeats=repeats,
        measuring=ReportOptions(importance_samples=IMPORTANCE_SAMPLES),
    )
    directory.mkdir()
    return Comparison.run(config, directory, console)
