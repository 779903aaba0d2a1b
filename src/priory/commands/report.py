"""`priory report`: the page of a run, or of several side by side."""

from pathlib import Path

from priory import report as page
from priory.commands.own_classes import own_parts
from priory.files import checked_file
from priory.printing import plain_console
from priory.report import write_page
from priory.report.runs_shown import names_of, subject_of
from priory.runs import Run
from priory.runs.layout import MEASURES, PAGE
from priory.runs.options import FurtherData, OwnClasses, check_samples

IMPORTANCE_SAMPLES = 512


def report(
    runs: list[str],
    data: FurtherData,
    classes: OwnClasses,
    importance_samples: int | None = None,
    no_examples: bool = False,
    out: str | None = None,
) -> None:
    """Write a page that shows what the prior of a run did, or compares several runs.

    The page works offline and without a server. It shows the measures, including those of `priory
    evaluate` if you have run it, an interactive latent space, samples, reconstructions,
    interpolations and the command that repeats each run.

    Args:
        runs: The directories of one or more runs of `priory train`, `compare` or `refit`, of models
            inside them, or of models saved with `priory.save`.
        data: Data to measure on.
        classes: Parts of the models.
        importance_samples: The number of importance samples for the NLL of each example; by default
            that of the run.
        no_examples: Leave out examples of the data, and pseudo-inputs initialised from them.
        out: The file to write; by default `report.html` in the run, which is overwritten, or in the
            working directory if there are several runs.

    Examples:
        priory report runs/train-1 runs/train-2 --out both.html
    """
    check_samples(importance_samples)
    one_run = out is None and len(runs) == 1
    target = Path(runs[0]) / PAGE if one_run else checked_file(out or PAGE)
    models = [(p, run) for p in runs for run in Run.open_all(p, **own_parts(classes))]
    parts = [data.of(run) for _, run in models]
    first = models[0][1]
    for (_, run), part in zip(models, parts, strict=True):
        if part.data_shape != parts[0].data_shape:
            raise ValueError(
                f"expected runs on data with the same shape, got {parts[0].data_shape} in "
                f"{first.path} and {part.data_shape} in {run.path}; report on them one by one."
            )
    console = plain_console()
    entries = []
    for (_, run), part, name in zip(models, parts, names_of(models), strict=True):
        console.print(f"{name}: {len(part)} examples ...")
        samples = importance_samples or run.importance_samples
        entries.append(
            page.entry(
                name,
                run.model,
                part,
                importance_samples=samples,
                seed=run.seed,
                epochs=run.metrics.get("epochs"),
                seconds=run.metrics.get("seconds"),
                curves=run.path,
                measures=run.path / MEASURES,
                repeats=[
                    page.evaluated(one.model, data.of(one), samples, one.seed)
                    for one in run.repeats
                ],
                num_entries=len(models),
                examples=not no_examples,
            )
        )
    write_page(target, entries, subject_of(models, entries, parts[0]))
    console.print(f"The report is {target}. {page.about_examples(entries)}")
