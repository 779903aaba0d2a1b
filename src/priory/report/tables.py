"""Tables of measures: for the page, and for the shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from priory.data import Columns
from priory.evaluation import Evaluation, Measure, Scores, Value, scores
from priory.evaluation.evidence import NLL
from priory.evaluation.measure import DOUBTFUL, MINUS, what_errors_cover
from priory.extras import needs
from priory.report.differences import comparable, difference
from priory.report.entries import Entry, notes, row_of

if TYPE_CHECKING:
    from rich.table import Table

NONE = "none"


@dataclass(frozen=True)
class Cell:
    """A number of one prior.

    Attributes:
        text: The number, or `none`.
        error: Its standard error, or nothing.
        best: Whether it is better than all others by more than the noise.
    """

    text: str
    error: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A measure.

    Attributes:
        name: What is measured.
        how: What to read it by.
        cells: The numbers, one for each prior.
    """

    name: str
    how: str
    cells: tuple[Cell, ...]


def measures_table(entries: Sequence[Entry]) -> list[Row]:
    """Return the rows of the page's table: the measures that have a number, and what training took.

    A number is best where its difference to every other is above two standard errors; that of two
    NLLs on the same examples is the error of the differences between examples.

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
            rows.append(_row("NLL by priory evaluate", NLL, again, "as above, with more samples"))
    parameters = (f"{e.parameters:,}" if e.parameters is not None else NONE for e in entries)
    rows += [
        Row("parameters of the prior", "what it adds to the model", tuple(map(Cell, parameters))),
        Row("training", "how long it took", tuple(Cell(_training(entry)) for entry in entries)),
    ]
    return [row for row in rows if row.name and any(cell.text != NONE for cell in row.cells)]


def errors_of(entries: Sequence[Entry]) -> str:
    """Say what the standard errors on the page cover."""
    return what_errors_cover(m for m in scores.TABLE if any(entry.value(m) for entry in entries))


def density_unit(columns: Columns | None) -> tuple[str, float]:
    """Say of what log p(x) is a density, and how far it is from one in the columns' own units.

    Args:
        columns: The columns of a table; None for data that are no table.

    Returns:
        The unit in words, and the nats to add to an NLL for that in the columns' own units.

    Examples:
        >>> from priory.data import Column, Columns
        >>> from priory.report import density_unit
        >>> text, constant = density_unit(Columns((Column("mass", "numeric", scale=1000.0),)))
        >>> text
        'nats per example, of standardised columns (add 6.91 to the NLL for their own units)'
        >>> round(constant, 2)
        6.91
    """
    if columns is None or not any(column.kind == "numeric" for column in columns.columns):
        return "nats per example", 0.0
    constant = columns.log_scale
    added = f"add {constant:.2f} to the NLL for their own units".replace("-", MINUS)
    return f"nats per example, of standardised columns ({added})", constant


def comparison_table(
    entries: Sequence[Entry] | Mapping[str, Evaluation],
    title: str,
    columns: Columns | None = None,
) -> "Table":
    """Return a table for the shell: a row for each prior, a column for each quick measure.

    Args:
        entries: The priors, or their numbers by name.
        title: What to write above it.
        columns: The columns of a table, where the data are one.
    """
    if timed := not isinstance(entries, Mapping):
        rows, evaluations = [e.row for e in entries], [e.evaluation for e in entries]
    else:
        rows, evaluations = [row_of(*pair) for pair in entries.items()], [*entries.values()]
    shown = [measure for measure in evaluations[0].measures if measure.title]
    first = [shown[0].read(evaluation.record) for evaluation in evaluations]
    about = f"{shown[0].title}: {density_unit(columns)[0]}; {shown[0].how(first)}."
    caption = "\n".join((about, what_errors_cover(shown[:1]), *notes(evaluations)))
    heads = ("prior", *(measure.title for measure in shown), *(["time"] if timed else []))
    return _table(title, caption, heads, rows)


def scores_table(found: Scores, title: str, columns: Columns | None = None) -> "Table":
    """Return a table for the shell: a row for each measure of one model.

    Args:
        found: What the measures say.
        title: What to write above it.
        columns: The columns of a table, where the data are one.
    """
    unit = f"The NLL, the ELBO and its terms are in {density_unit(columns)[0]}."
    caption = "\n".join((unit, found.errors))
    return _table(title, caption, ("", "found", "how to read it"), found.rows())


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
        wraps = " in " in head or head == "how to read it"
        table.add_column(
            head,
            justify="right" if index and not head.startswith("how") else "left",
            no_wrap=not wraps,
            min_width=max(map(len, head.split()), default=0),
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
    cells = (Cell(*measure.text(value), best=n == best) for n, value in enumerate(values))
    return Row(name, how, tuple(cells))


def _best(measure: Measure, entries: Sequence[Entry], values: Sequence[Value | None]) -> int | None:
    """Return the position of the entry that is better than every other by more than the noise."""
    doubtful = any(value is not None and value.mark == DOUBTFUL for value in values)
    if measure.better is None or doubtful or (measure.unit == "nats" and not comparable(entries)):
        return None
    sign = 1 if measure.better == "lower" else -1
    for n, entry in enumerate(entries):
        gaps = [difference(measure, other, entry) for other in entries if other is not entry]
        if gaps and all(gap and sign * gap.value > 0 and gap.is_clear for gap in gaps):
            return n
    return None


def _training(entry: Entry) -> str:
    if entry.epochs is None:
        return NONE
    return f"{entry.epochs} epochs" + ("" if entry.seconds is None else f", {entry.seconds:.0f} s")
