"""The table of measures on the page: a row for each, with what to read it by."""

from collections.abc import Callable, Sequence

from priory.report.comparison import Entry
from priory.report.differences import Difference, comparable, holes_difference, nll_difference
from priory.report.measured_rows import MINUS, NONE, Cell, Row, cell, measured_rows, percent

Compare = Callable[[Entry, Entry], Difference | None]


def measures_table(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows of the table.

    A number is best where its difference to every other is above two standard errors; that of two
    NLLs on the same data is the error of the differences between data.

    Args:
        entries: The priors.

    """
    e = [entry.evaluation for entry in entries]
    nll_best = _best(entries, nll_difference) if comparable(entries) else None
    holes_best = _best(entries, holes_difference)
    given = any(one.given_labels for one in e)
    about = ["≈ " if one.prior_standard_error is not None else "" for one in e]
    samples = " or ".join(str(s) for s in sorted({one.num_samples for one in e}))
    rows = [
        Row(
            f"NLL, {MINUS}log p(x|y) where given labels" if given else f"NLL, {MINUS}log p(x)",
            f"lower is better; by {samples} importance samples per datum",
            tuple(
                cell(one.nll, one.nll_standard_error, best=n == nll_best, mark=mark)
                for n, (one, mark) in enumerate(zip(e, about, strict=True))
            ),
        ),
        Row(
            "ELBO",
            "higher is better; it is the next row less the one after",
            tuple(
                cell(one.elbo, one.elbo_standard_error, mark=mark)
                for one, mark in zip(e, about, strict=True)
            ),
        ),
        Row(
            "reconstruction",
            "how well a datum is told from its code",
            tuple(cell(one.reconstruction, one.reconstruction_standard_error) for one in e),
        ),
        Row(
            "rate",
            "nats spent on the code, under the prior",
            tuple(
                cell(one.rate, one.rate_standard_error, mark=mark)
                for one, mark in zip(e, about, strict=True)
            ),
        ),
        Row(
            "samples in holes",
            "share of prior samples where q(z) has none; 1 % is perfect",
            tuple(
                cell(
                    one.share_in_holes,
                    one.share_in_holes_standard_error,
                    form=percent,
                    best=n == holes_best,
                )
                for n, one in enumerate(e)
            ),
        ),
        Row(
            "components in use",
            "perplexity of their shares of the data",
            tuple(Cell(_components(entry)) for entry in entries),
        ),
        *measured_rows(entries),
        Row(
            "parameters of the prior",
            "what it adds to the model",
            tuple(cell(entry.parameters, form=lambda v: f"{v:,.0f}") for entry in entries),
        ),
        Row("training", "how long it took", tuple(map(_training, entries))),
    ]
    return [row for row in rows if any(cell.text != NONE for cell in row.cells)]


def _best(entries: Sequence[Entry], compare: Compare) -> int | None:
    """Return the position of the entry that is below every other by more than the noise."""
    for n, entry in enumerate(entries):
        gaps = [compare(other, entry) for other in entries if other is not entry]
        if gaps and all(gap is not None and gap.value > 0 and gap.is_clear for gap in gaps):
            return n
    return None


def _components(entry: Entry) -> str:
    used = entry.evaluation.components_in_use
    if used is None:
        return NONE
    seen = entry.exploration.components if entry.exploration else None
    return f"{used:.1f}" + (f" of {seen.total:,}" if seen else "")


def _training(entry: Entry) -> Cell:
    if entry.epochs is None:
        return Cell(NONE)
    seconds = "" if entry.seconds is None else f", {entry.seconds:.0f} s"
    return Cell(f"{entry.epochs} epochs{seconds}")
