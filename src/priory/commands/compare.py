"""`priory compare`: the same small VAE under several priors, side by side."""

from pathlib import Path

from priory import report
from priory.commands.comparison import Comparison
from priory.printing import plain_console
from priory.runs import CompareConfig, new_run_directory, next_free
from priory.runs.layout import PAGE


def compare(config: CompareConfig, out: str | None = None) -> None:
    """Train the same small VAE with several priors and show what each prior did.

    The seed, the data order, and the initial encoder and decoder are the same for every prior. The
    run directory contains a report to open in a browser, the figures, the numbers, the trained
    models and the configuration that repeats the run. With several seeds, the numbers are means
    over them, and each further seed has its own directory inside the run directory.

    Args:
        config: What to train, on which data and how.
        out: The run directory to create; by default the first of `runs/compare-1`,
            `runs/compare-2`, ... that does not exist.

    Examples:
        priory compare --priors mog,vamp --data my-images.npy --latent-dim 16 --seeds 3
    """
    console = plain_console()
    target = Path(out) if out is not None else next_free("runs", "compare")
    with new_run_directory(target) as run:
        comparison = Comparison.run(config, run, console)
        comparison.write(run, target)
    comparison.show(console)
    about = report.about_examples(comparison.entries)
    console.print(f"The report is {target / PAGE}. {about}")
