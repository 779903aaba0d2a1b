"""`priory evaluate`: compute all measures for a trained model."""

from priory import report
from priory.arguments import MOST_SEED, within
from priory.commands.own_classes import open_run
from priory.evaluation import measure
from priory.files import checked_file, write_record
from priory.networks.context import Context
from priory.printing import plain_console
from priory.runs.layout import MEASURES
from priory.runs.options import FurtherData, OwnClasses, WorkOptions, check_samples


def evaluate(
    run: str,
    data: FurtherData,
    classes: OwnClasses,
    work: WorkOptions,
    importance_samples: int = 5000,
    max_components: int | None = None,
    max_training: int = 20_000,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Compute all measures for a trained model.

    Args:
        run: The directory of a run, or of a model within it.
        data: Data to measure on.
        classes: Parts of the model.
        work: Where to compute.
        importance_samples: The number of importance samples for the NLL of each example.
        max_components: Use at most this many components of a mixture for the NLL of an example, the
            ones that explain it best; leaving out the others can only raise it. Useful for an
            exemplar prior with many examples.
        max_training: Use at most this many training examples.
        seed: The random seed.
        out: The file to write; by default `measures.json` in the run, which is overwritten.

    Examples:
        priory evaluate runs/train-1
    """
    check_samples(importance_samples)
    within(1, 10**9, max_training=max_training, max_components=max_components)
    within(0, MOST_SEED, seed=seed)
    processes, device = work.start()
    opened = open_run(run, classes, device)
    target = opened.path / MEASURES if out is None else checked_file(out)
    part, training = data.of(opened), opened.training
    columns = None if opened.format is None else opened.format.columns
    vae = opened.model
    scores = measure(
        vae,
        part.tensor(),
        None if training is None else training.tensor(),
        context=vae.context_of(**part.annotations),
        training_context=None if training is None else vae.context_of(**training.annotations),
        num_samples=importance_samples,
        max_components=max_components,
        max_training=max_training,
        seed=seed,
        processes=processes,
        annotations=Context(**part.annotations),
    )
    if processes.rank > 0:  # the first process writes
        return
    write_record(target, scores.as_json())
    console = plain_console()
    console.print(report.scores_table(scores, f"{scores.num_data} held-out examples", columns))
    for sentence in scores.warnings:
        console.print(sentence)
    console.print(f"All numbers are in {target}.")
