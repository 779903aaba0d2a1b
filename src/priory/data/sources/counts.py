"""Counts of molecules in cells, in an `.h5ad` file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int32
from numpy.typing import NDArray
from torch import Tensor

from priory.blockwise import blocks
from priory.data.checks import check_data, existing_file, readable
from priory.data.sources.own_split import parts_by_name
from priory.data.splits import Source
from priory.data.tables.cells import Cells, Table, classes_of
from priory.data.tables.columns import Column, Columns, check_counts
from priory.extras import needs
from priory.suggestions import short

MOST_BYTES = 8 * 2**30
MOST_NAMED = 5


def open_counts(
    path: str | Path,
    *,
    layer: str | None = None,
    label: str | None = None,
    batch_key: str | None = None,
    exposure: str | None = None,
    part: str | None = None,
) -> Source:
    """Open the counts of an `.h5ad` file, cells by genes, sparse or not.

    All genes are used. Select the most variable ones yourself beforehand, for example with
    `scanpy.pp.highly_variable_genes`.

    Args:
        path: A file written by AnnData.
        layer: The layer with the counts, or `"raw"`; by default `X`.
        label: The column of `obs` with the labels.
        batch_key: The column of `obs` with the batch of each cell.
        exposure: The column of `obs` with the sequencing depth of each cell.
        part: The column of `obs` with train, validation or test.

    Returns:
        The counts as whole numbers, `(N, D)`, with the names of the genes as `columns` and those of
        the cells as `names`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If AnnData is not installed.
        ValueError: If the file cannot be read, lacks the layer or the column, contains anything but
            counts, would take more than 8 GiB of memory, or an exposure is not above zero.

    Reference:
        Virshup et al., *anndata: Access and store annotated data matrices*, JOSS 9(101), 2024.
    """
    path = existing_file(path)
    held = _read(path, layer)
    if not held.genes:
        raise ValueError(f"expected genes in {path.name}, got none.")
    kinds = tuple(Column(gene, "count") for gene in held.genes)
    columns = Columns(kinds, label, batch=batch_key, exposure=exposure, layer=layer)
    return _opened(path, held, columns, part)


def open_counts_like(
    path: str | Path,
    columns: Columns,
    label_names: tuple[str, ...] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """Open the counts of the genes that a model was trained on, in any order.

    Labels, batches and exposures come from the same columns as before, if the file has them.

    Args:
        path: A file written by AnnData; genes that are not among the columns are left out.
        columns: The genes, and the columns of `obs` to use.
        label_names: The names of the labels.
        options: Options of `open_counts`, if they differ from those of the training data.

    Raises:
        ValueError: If a gene is missing, naming it, or as for `open_counts`.
    """
    path, options = existing_file(path), dict(options or {})
    layer = options.get("layer", columns.layer)
    held = _read(path, layer)
    place = {gene: number for number, gene in enumerate(held.genes)}
    if absent := [gene for gene in columns.names if gene not in place]:
        more = f" and {len(absent) - MOST_NAMED} others" if len(absent) > MOST_NAMED else ""
        raise ValueError(
            f"expected the {len(columns.names)} genes of the training data in {path.name}, missing "
            f"are {', '.join(map(repr, absent[:MOST_NAMED]))}{more}; add them, with zeros if they "
            "were not measured."
        )
    if (extra := len(held.genes) - len(columns.names)) > 0:
        warnings.warn(
            f"{extra} of the {len(held.genes)} genes in {path.name} are left out, because the "
            "model was not trained on them.",
            stacklevel=2,
        )
    held.tables[layer or "X"] = held.tables[layer or "X"][:, [place[g] for g in columns.names]]
    before = {"label": columns.label, "batch_key": columns.batch, "exposure": columns.exposure}
    there = {key: name if name in held.cells else None for key, name in before.items()}
    label, batch, exposure = (options.get(key, name) for key, name in there.items())
    taken = replace(columns, label=label, batch=batch, exposure=exposure, layer=layer)
    return replace(_opened(path, held, taken, None, label_names), columns=columns)


class _Held(NamedTuple):
    """The contents of a file: tables by name, annotations and names of cells, and genes."""

    tables: dict[str, Any]
    cells: Any
    names: tuple[str, ...]
    genes: list[str]


def _opened(
    path: Path,
    held: _Held,
    columns: Columns,
    part: str | None,
    label_names: tuple[str, ...] | None = None,
) -> Source:
    """Return counts, `(N, D)`, with the annotations of the cells."""
    where, layer = path.name, columns.layer or "X"
    table, cells = held.tables[layer], Table(held.cells, f"obs in {where}")
    bytes_needed = 4 * table.shape[0] * table.shape[1]
    if bytes_needed > MOST_BYTES:
        raise ValueError(
            f"expected counts of at most {MOST_BYTES / 2**30:g} GiB in {where}, got "
            f"{table.shape[0]} cells of {table.shape[1]} genes, which take "
            f"{bytes_needed / 2**30:.0f} GiB; keep only the most variable genes, or fewer cells."
        )
    try:
        dense = _dense(table, columns.names, where)
        x = check_data(dense, where, least=1 if label_names else 2)
    except ValueError as error:
        raise _with_advice(error, held.tables, layer) from error
    source = Source(path.stem, x, names=held.names, columns=columns)
    if columns.label is not None:
        labels, label_names = classes_of(cells.cells(columns.label), label_names)
        source = replace(source, labels=labels, label_names=label_names)
    if columns.batch is not None:
        batch_label, batch_names = classes_of(cells.cells(columns.batch))
        source = replace(source, batch_label=batch_label, batch_names=batch_names)
    if columns.exposure is not None:
        source = replace(source, exposure=_exposures(cells.cells(columns.exposure)))
    if part is not None:
        words = cells.cells(part).column.tolist()
        source = replace(source, part=parts_by_name(words, f"column {part!r} of {where}"))
    return source


def _exposures(cells: Cells) -> Float[Tensor, " N"]:
    values = cells.numbers()
    bad = ~(values > 0)  # a missing value is NaN
    if bad.any():
        raise cells.wrong(
            "exposures above zero",
            f"{cells.quoted(int(bad.argmax()))}; leave such cells out, as scanpy.pp.filter_cells "
            "does",
        )
    return torch.from_numpy(values).to(torch.get_default_dtype())


def _read(path: Path, layer: str | None) -> _Held:
    with needs("data"):
        import anndata
    errors = (OSError, ValueError, KeyError, TypeError, AttributeError)
    guard = readable(f"cells and genes in {path}", "AnnData's", "", *errors)
    with guard, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that are not unique, and old formats
        file = anndata.read_h5ad(path)
    names = file.var_names
    tables = {"X": file.X, **{name: file.layers[name] for name in file.layers if name}}
    if file.raw is not None and "raw" not in tables:
        tables["raw"] = file.raw.X
        if layer == "raw":
            names = file.raw.var_names
    if tables.get(layer or "X") is None:
        held = ", ".join(name for name, table in tables.items() if table is not None)
        raise ValueError(
            f"expected counts in {path.name} under one of {held}, got "
            f"{'nothing there' if layer in (None, 'X') else short(repr(layer))}; name the layer."
        )
    genes = [str(name) for name in names]
    if len(set(genes)) < len(genes):
        twice = names[names.duplicated()][0]
        raise ValueError(
            f"expected unique gene names in {path.name}, got {twice!r} twice; make them unique "
            "with AnnData.var_names_make_unique."
        )
    return _Held(tables, file.obs.reset_index(drop=True), tuple(map(str, file.obs_names)), genes)


def _with_advice(error: ValueError, tables: dict[str, Any], chosen: str) -> ValueError:
    """Name the layer that contains counts, if another one does."""
    if not str(error).startswith("expected counts"):
        return error
    others = (name for name, table in tables.items() if name != chosen and table is not None)
    layer = next((name for name in others if _holds_counts(tables[name])), None)
    advice = (
        "normalised values and logarithms are not counts, and no other layer contains counts; "
        "keep the counts as a layer before you normalise"
        if layer is None
        else f"they are in {layer!r}: give --data-options '{{layer: {layer}}}'"
    )
    return ValueError(f"{str(error).rstrip('.')}; {advice}.")


def _holds_counts(table: Any) -> bool:
    values = table.data if hasattr(table, "toarray") else np.asarray(table)
    return bool(((values >= 0) & (values == np.round(values))).all())


def _dense(table: Any, genes: Sequence[str], where: str) -> Int32[Tensor, "N D"]:
    x = np.empty(table.shape, np.int32)
    sparse = hasattr(table, "toarray")
    if sparse:
        table = table.tocsr()
    for rows in blocks(*table.shape):
        chunk: NDArray[Any] = table[rows]
        chunk = chunk.toarray() if sparse else np.asarray(chunk)  # type: ignore[attr-defined]
        check_counts(chunk, genes, where, rows.start)
        x[rows] = chunk
    return torch.from_numpy(x)


SUFFIXES = {".h5ad": open_counts}
LIKE = {open_counts: open_counts_like}
