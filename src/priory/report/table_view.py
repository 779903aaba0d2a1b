"""What the page shows of tables and counts: rows, columns, and genes by cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from priory.arrays import to_numpy
from priory.data import Column, Columns
from priory.report.entries import Entry
from priory.report.page_data import explored
from priory.report.pictures import Bars

MOST_COLUMNS = 24
MOST_BINS = 20
MOST_CATEGORIES = 8
MOST_GROUPS = 16
FEWEST = 5
"""A page without examples leaves out values of fewer rows, which could identify people."""


@dataclass(frozen=True)
class Share:
    """How often a value comes up.

    Attributes:
        name: The value: a category, or the ends of a range.
        real: Its share of the held-out data.
        made: Its share of what the model made.
    """

    name: str
    real: float
    made: float


@dataclass(frozen=True)
class Marginal:
    """A column of the data beside the same column of generated data.

    Attributes:
        name: The name of the column.
        shares: How often each value, or range of values, comes up in both.
        low: Where the first range begins; nothing for categories.
        high: Where the last one ends; nothing for categories.
    """

    name: str
    shares: tuple[Share, ...]
    low: str = ""
    high: str = ""

    @property
    def top(self) -> float:
        """The largest share."""
        return max((max(share.real, share.made) for share in self.shares), default=0) or 1.0

    @property
    def distance(self) -> float:
        """The total variation between both, with all that lies beyond the ends as one value."""
        gaps = [share.real - share.made for share in self.shares]
        return 0.5 * (sum(map(abs, gaps)) + abs(sum(gaps)))

    @property
    def outline(self) -> str:
        """The steps of what was made, as the path of an SVG 100 wide and 40 high."""
        wide = 100 / len(self.shares)
        steps = [
            f"{n * wide:.2f},{40 - 38 * share.made / self.top:.2f} h{wide:.2f}"
            for n, share in enumerate(self.shares)
        ]
        return "M0,40 L" + " L".join(steps) + " V40"


@dataclass(frozen=True)
class Rows:
    """Rows of a table as text.

    Attributes:
        names: The columns.
        real: Held-out rows; none on a page without examples.
        made: Rows that a model made.
    """

    names: tuple[str, ...]
    real: list[list[str]]
    made: list[list[str]]


@dataclass(frozen=True)
class Heatmap:
    """Mean counts, as log(1 + count), of the genes that vary most, by group.

    Attributes:
        title: What the groups are.
        groups: Their names.
        rows: The name of each gene with its values, and each as a share of the largest.
    """

    title: str
    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True)
class Change:
    """A column along a path from one example to another.

    Attributes:
        name: The column.
        cells: Its value at each stop.
    """

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class TableView:
    """What the page shows of a table or of counts, and of what the model with one prior generates.

    Attributes:
        rows: Rows of both; None for counts.
        marginals: Their columns; none for counts.
        heatmaps: Genes by group, of the data and of the prior; none but for counts.
        changes: What changes along each path between examples; none without paths.
    """

    rows: Rows | None
    marginals: Sequence[Marginal]
    heatmaps: Sequence[Heatmap]
    changes: Sequence[Sequence[Change]]


def table_view(
    entry: Entry,
    columns: Columns | None,
    label_names: Sequence[str],
    examples: bool,
    data_too: bool = True,
) -> TableView | None:
    """Return what to show of one prior; None for images.

    Args:
        entry: The prior.
        columns: What the columns of its data mean, where the data are a table.
        label_names: The names of all labels.
        examples: Whether rows of the data are shown, and how few of them are counted.
        data_too: Whether clusters of the data are shown beside the components.
    """
    exploration, shown = explored(entry), entry.exhibit
    if exploration.data.dim() != 2:
        return None
    named, fewest = columns_of(columns, exploration.data), 1 if examples else FEWEST
    paths = (
        () if exploration.along is None else [changes(named, along) for along in exploration.along]
    )
    if not all(column.kind == "count" for column in named.columns):
        rows = rows_of(named, shown.data, shown.samples)
        return TableView(rows, marginals(named, exploration.data, shown.samples, fewest), (), paths)
    genes, maps = most_variable(exploration.data), []
    if data_too and entry.labels is not None:
        groups, title = entry.labels, "Test cells by label"
        maps.append(heatmap(named, genes, exploration.data, groups, label_names, title, fewest))
    if exploration.components is not None:
        samples = exploration.components.samples[:MOST_GROUPS]
        groups = torch.arange(len(samples)).repeat_interleave(samples.shape[1])
        names = [f"{k + 1} ({w:.0%})" for k, w in enumerate(exploration.components.weight.tolist())]
        title = f"Expected cells of {entry.name} by component, the heaviest first"
        flat = samples.flatten(0, 1)
        maps.append(heatmap(named, genes, flat, groups, names[: len(samples)], title))
    return TableView(None, (), [one for one in maps if one is not None], paths)


def columns_of(columns: Columns | None, data: Tensor) -> Columns:
    """Return what columns mean; those of an array without names are numbers in its own unit."""
    if columns is not None:
        return columns
    names = Bars.of(data[:1], most=data[0].numel()).names
    return Columns(tuple(Column(name, "numeric") for name in names))


def rows_of(columns: Columns, real: Tensor, made: Tensor, most: int = 8) -> Rows:
    """Return the first rows of the data and of generated data, side by side.

    Args:
        columns: What they mean.
        real: Held-out rows, `(N, D)`; none where they are not to be shown.
        made: Rows that a model made, `(M, D)`.
        most: At most this many rows of each.
    """
    shown = columns.columns[:MOST_COLUMNS]
    both = [_texts(columns, rows[:most]) for rows in (real, made)]
    by_row = [
        [list(row)[: len(shown)] for row in zip(*cells.values(), strict=True)] for cells in both
    ]
    return Rows(tuple(column.name for column in shown), *by_row)


def marginals(columns: Columns, real: Tensor, made: Tensor, fewest: int = 0) -> list[Marginal]:
    """Compare the marginals of every column; if there are many, only those that differ most.

    Args:
        columns: What they mean.
        real: Held-out rows, `(N, D)`.
        made: Rows that a model made, `(M, D)`.
        fewest: Values that fewer held-out rows have than these count as none.
    """
    one, other = (to_numpy(rows.double()) for rows in (real, made))
    all_columns = []
    for column, (_, start, stop) in zip(columns.columns, columns.spans, strict=True):
        parts = one[:, start:stop], other[:, start:stop]
        made_by = _of_categories if column.kind == "categorical" else _of_numbers
        all_columns.append(made_by(column, *parts, fewest))
    if len(all_columns) <= MOST_COLUMNS:
        return all_columns
    return sorted(all_columns, key=lambda marginal: -marginal.distance)[:MOST_COLUMNS]


def _of_categories(column: Column, real: NDArray[Any], made: NDArray[Any], fewest: int) -> Marginal:
    counts = np.stack([np.bincount(x.argmax(1), minlength=column.width) for x in (real, made)])
    shares = _shares(counts, fewest, (len(real), len(made)))
    order = np.argsort(-shares[0], kind="stable")
    named = [Share(str(column.categories[k]), *shares[:, k].tolist()) for k in order]
    if len(named) > MOST_CATEGORIES:
        rest = shares[:, order[MOST_CATEGORIES - 1 :]].sum(1).tolist()
        others = f"{len(named) - MOST_CATEGORIES + 1} others"
        named = [*named[: MOST_CATEGORIES - 1], Share(others, *rest)]
    return Marginal(column.name, tuple(named))


def _of_numbers(column: Column, real: NDArray[Any], made: NDArray[Any], fewest: int) -> Marginal:
    one, other = (x[:, 0] * column.scale + column.mean for x in (real, made))
    if column.whole or column.kind == "count":
        one, other = np.round(one), np.round(other)
    # So many that a bin has some rows, as one with fewer than the fewest shows none.
    bins = min(MOST_BINS, max(4, len(one) // (4 * max(1, fewest))))
    end = min(0.25, max(0.005, fewest / len(one)))
    low, high = (float(value) for value in np.quantile(one, [end, 1 - end]))
    whole = (column.whole or column.kind == "count") and high - low < bins
    edges = (
        np.arange(low, high + 2) - 0.5
        if whole
        else np.linspace(low, high if high > low else low + 1, bins + 1)
    )
    counts = np.stack([np.histogram(x, edges)[0] for x in (one, other)])
    shares = _shares(counts, fewest, (len(one), len(other)))
    named = tuple(
        Share(f"{(a + b) / 2:.0f}" if whole else f"{a:.4g} to {b:.4g}", *shares[:, n].tolist())
        for n, (a, b) in enumerate(pairwise(edges))
    )
    first, last = (low + 0.0, high + 0.0) if whole else (edges[0], edges[-1])  # of -0 it makes 0
    return Marginal(column.name, named, f"{first:.4g}", f"{last:.4g}")


def _shares(counts: NDArray[np.int64], fewest: int, totals: tuple[int, int]) -> NDArray[np.float64]:
    counts = counts.copy()
    counts[0][counts[0] < fewest] = 0
    shares: NDArray[np.float64] = counts / np.maximum(1, np.array(totals))[:, None]
    return shares


def most_variable(counts: Tensor, most: int = MOST_COLUMNS) -> Tensor:
    """Return the columns of counts whose logarithms vary most, `(G,)`, in their order."""
    spread = counts.double().log1p().var(0) if len(counts) > 1 else counts[0].double()
    return spread.topk(min(most, counts.shape[1])).indices.sort().values


def heatmap(
    columns: Columns,
    genes: Tensor,
    counts: Tensor,
    groups: Tensor,
    names: Sequence[str],
    title: str,
    fewest: int = 1,
) -> Heatmap | None:
    """Return the mean of log(1 + count) of some genes by group; None without groups.

    Args:
        columns: The genes.
        genes: Which of them, `(G,)`.
        counts: The counts, `(N, D)`.
        groups: The group of each row, `(N,)`.
        names: The names of the groups; the sixteen largest are shown.
        title: What the groups are.
        fewest: A group with fewer rows is left out.
    """
    sizes = torch.bincount(groups, minlength=len(names))
    order = [k for k in sizes.argsort(descending=True, stable=True).tolist() if sizes[k] >= fewest]
    order = sorted(order[:MOST_GROUPS])
    if not order:
        return None
    logs = counts[:, genes].double().log1p()
    means = torch.stack([logs[groups == k].mean(0) for k in order], 1)  # (G, groups)
    shares = means / means.amax().clamp_min(1e-9)
    rows = tuple(
        (columns.columns[gene].name, tuple(zip(row.tolist(), share.tolist(), strict=True)))
        for gene, row, share in zip(genes.tolist(), means, shares, strict=True)
    )
    return Heatmap(title, tuple(names[k] for k in order), rows)


def changes(columns: Columns, along: Tensor, most: int = 6) -> list[Change]:
    """Return the columns that change most along a path, with their values at each stop.

    Args:
        columns: What the data mean.
        along: The data expected at each stop, `(stops, D)`.
        most: At most this many columns.
    """
    spans = columns.spans
    moved = along.log1p() if all(kind == "count" for kind, _, _ in spans) else along
    ranges = moved.amax(0) - moved.amin(0)
    by_column = torch.stack([ranges[start:stop].max() for _, start, stop in spans])
    chosen = by_column.topk(min(most, len(spans))).indices.tolist()
    texts = _texts(columns, along)
    names = [columns.columns[n].name for n in chosen]
    return [Change(name, tuple(texts[name])) for name in names]


def _texts(columns: Columns, rows: Tensor) -> dict[str, list[str]]:
    if not len(rows):
        return {}
    table = columns.decode(rows)
    return {
        name: [f"{c:.4g}" if isinstance(c, float) else str(c) for c in table[name].tolist()]
        for name in columns.names
    }
