"""Tables of measures, for the page and for the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from priory.data import Columns
from priory.evaluation import Evaluation, Measure, Scores, Value, scores
from priory.evaluation.evidence import ELBO_OF_DATA, NLL, RECONSTRUCTION
from priory.evaluation.measure import DOUBTFUL, MINUS, what_errors_cover
from priory.evaluation.surgery import MUTUAL_INFORMATION
from priory.extras import needs
from priory.report.differences import Difference, comparable, difference, nll_difference
from priory.report.entries import Entry, Measured, notes

if TYPE_CHECKING:
    from rich.table import Table

NONE = "n/a"
ON_THE_PAGE = (ELBO_OF_DATA, RECONSTRUCTION, MUTUAL_INFORMATION)
"""Measures left out of the table on the command line to save width."""
UNRELIABLE = "no reliable difference"


@dataclass(frozen=True)
class Cell:
    """A number of one prior.

    Attributes:
        text: The number, or a placeholder.
        error: Its standard error, or nothing.
        best: Whether it is reliably better than all others.
        note: What else there is to say of it.
        there: Whether there is a number.
    """

    text: str
    error: str = ""
    best: bool = False
    note: str = ""
    there: bool = True


@dataclass(frozen=True)
class Row:
    """A measure.

    Attributes:
        name: What is measured.
        how: How to read it.
        cells: The numbers, one for each prior.
    """

    name: str
    how: str
    cells: tuple[Cell, ...]


def measures_table(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows of the page's table: the measures with a number, and the cost of training.

    A number is best if its difference from every other is clear, as a `Difference` defines it:
    above two standard errors, and, with several seeds, the same under all of them.

    Args:
        entries: The priors.
    """
    rows = []
    for measure in scores.TABLE:
        values = [entry.value(measure) for entry in entries]
        best = _best(measure, entries, values)
        rows.append(_row(measure.title, measure, values, measure.how(values), best))
        if measure is NLL:
            again = [NLL.read(entry.measures or {}) for entry in entries]
            if len(entries) > 1 and comparable(entries):
                rows.append(_differences(entries))
            rows.append(_row("NLL by priory evaluate", NLL, again, "as above, with more samples"))
    parameters = (_known(e.parameters, "{:,}") for e in entries)
    rows += [
        Row("parameters of the prior", "what it adds to the model", tuple(parameters)),
        Row("training", "how long it took", tuple(_training(entry) for entry in entries)),
    ]
    return [row for row in rows if row.name and any(cell.there for cell in row.cells)]


def errors_of(entries: Sequence[Measured]) -> str:
    """Say what the standard errors of the numbers of some priors cover."""
    if any(entry.repeats for entry in entries):
        number = max(len(entry.evaluations) for entry in entries)
        return f"Numbers are means over {number} seeds; ± is one standard error over them."
    return what_errors_cover(m for m in scores.TABLE if any(entry.value(m) for entry in entries))


def _difference(gap: Difference) -> Cell:
    """Return a difference with one standard error, and below it the other and what they say."""
    error, *others = gap.errors or ("",)
    said = (*others, *([] if gap.is_clear else [UNRELIABLE]))
    return Cell(gap.signed, error, note=", ".join(said))


def _differences(entries: Sequence[Measured]) -> Row:
    """Return the row of each prior's NLL less that of the first."""
    first, *others = entries
    gaps = [nll_difference(other, first) for other in others]
    cells = [_difference(gap) for gap in gaps]
    paired = "paired by example; " if all(gap.paired for gap in gaps) else ""
    how = f"NLL less that of {first.name}; {paired}below zero is better"
    return Row("NLL, difference from the first", how, (Cell("the first"), *cells))


def density_unit(columns: Columns | None) -> tuple[str, float]:
    """Say what log p(x) is a density of, and the offset to one in the columns' original units.

    Args:
        columns: The columns of a table; None for data that are no table.

    Returns:
        The unit in words, and the nats to add to an NLL to get the columns' original units.

    Examples:
        >>> from priory.data import Column, Columns
        >>> from priory.report import density_unit
        >>> text, constant = density_unit(Columns((Column("mass", "numeric", scale=1000.0),)))
        >>> text
        'nats per example, of standardised columns (add 6.91 to the NLL for their original units)'
        >>> round(constant, 2)
        6.91
    """
    if columns is None or not any(column.kind == "numeric" for column in columns.columns):
        return "nats per example", 0.0
    constant = columns.log_scale
    added = f"add {constant:.2f} to the NLL for their original units".replace("-", MINUS)
    return f"nats per example, of standardised columns ({added})", constant


def comparison_table(
    entries: Sequence[Entry] | Mapping[str, Evaluation],
    title: str,
    columns: Columns | None = None,
) -> "Table":
    """Return a table for the command line: one row per prior, one column per quick measure.

    After the NLL comes its difference from the first prior, in brackets if it is not reliable.

    Args:
        entries: The priors, or their numbers by name.
        title: Its title.
        columns: The columns, if the data are a table.
    """
    priors = _measured(entries)
    nll, *others = [
        measure
        for measure in priors[0].evaluation.measures
        if measure.title and measure not in ON_THE_PAGE
    ]
    gaps: list[Difference | None] = [None] * len(priors)
    if len(priors) > 1 and comparable(priors):
        gaps[1:] = [nll_difference(prior, priors[0]) for prior in priors[1:]]
    about = f"{nll.title}: {density_unit(columns)[0]}; {nll.how([priors[0].value(nll)])}."
    marks = notes([evaluation for prior in priors for evaluation in prior.evaluations])
    caption = [about, errors_of(priors) if priors[0].repeats else what_errors_cover([nll]), *marks]
    if any(gap is not None and not gap.is_clear for gap in gaps):
        caption.append(f"In brackets: {UNRELIABLE}.")
    compared = any(gaps)
    heads = [
        *("prior", nll.title),
        *([f"difference from {priors[0].name}"] if compared else []),
        *(measure.title for measure in others),
        *(["time"] if not isinstance(entries, Mapping) else []),
    ]
    rows = []
    for prior, gap in zip(priors, gaps, strict=True):
        number, error = nll.text(prior.value(nll))
        rows.append(
            (
                f"{prior.name} | y" if prior.evaluation.given_labels else prior.name,
                f"{number} {error}".strip(),
                *([_in_brief(gap)] if compared else []),
                *(measure.text(prior.value(measure))[0] for measure in others),
                *([_seconds(prior)] if isinstance(prior, Entry) else []),
            )
        )
    return _table(title, "\n".join(filter(None, dict.fromkeys(caption))), heads, rows)


def _measured(entries: Sequence[Entry] | Mapping[str, Evaluation]) -> Sequence[Measured]:
    if isinstance(entries, Mapping):
        return [Measured(name, evaluation) for name, evaluation in entries.items()]
    return entries


def _in_brief(gap: Difference | None) -> str:
    if gap is None:
        return ""
    said = f"{gap.signed} ± {gap.noise:.2f}"
    return said if gap.is_clear else f"({said})"


def _seconds(entry: Entry) -> str:
    return "not known" if entry.seconds is None else f"{entry.seconds:.0f} s"


def scores_table(scores: Scores, title: str, columns: Columns | None = None) -> "Table":
    """Return a table for the command line: one row per measure of one model.

    Args:
        scores: The results of the measures.
        title: Its title.
        columns: The columns, if the data are a table.
    """
    unit = f"The NLL, the ELBO and its terms are in {density_unit(columns)[0]}."
    caption = "\n".join((unit, scores.errors))
    return _table(title, caption, ("", "value", "how to read it"), scores.rows())


def _table(
    title: str, caption: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> "Table":
    with needs("cli"):
        from rich import box
        from rich.table import Table
    table = Table(
        title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for index, head in enumerate(heads):
        sentences = head.startswith("how")  # which may be broken, as numbers may not
        words = [*head.split(), *([] if sentences else (row[index] for row in rows))]
        table.add_column(
            head,
            justify="right" if index and not sentences else "left",
            min_width=max(map(len, words), default=0),
        )
    for row in rows:
        table.add_row(*row)
    return table


def _row(
    name: str,
    measure: Measure,
    values: Sequence[Value | None],
    how: str,
    best: int | None = None,
) -> Row:
    cells = (
        Cell(*measure.text(value), best=n == best, there=value is not None)
        for n, value in enumerate(values)
    )
    return Row(name, how, tuple(cells))


def _best(measure: Measure, entries: Sequence[Entry], values: Sequence[Value | None]) -> int | None:
    """Return the position of the entry that is reliably better than every other."""
    doubtful = any(value is not None and value.mark == DOUBTFUL for value in values)
    if measure.better is None or doubtful or (measure.unit == "nats" and not comparable(entries)):
        return None
    sign = 1 if measure.better == "lower" else -1
    for n, entry in enumerate(entries):
        gaps = [difference(measure, other, entry) for other in entries if other is not entry]
        if gaps and all(gap and sign * gap.value > 0 and gap.is_clear for gap in gaps):
            return n
    return None


def _known(number: float | None, form: str) -> Cell:
    return Cell(NONE, there=False) if number is None else Cell(form.format(number))


def _training(entry: Entry) -> Cell:
    if entry.epochs is None:
        return Cell(NONE, there=False)
    time = "" if entry.seconds is None else f", {entry.seconds:.0f} s"
    return Cell(f"{entry.epochs} epochs{time}")
