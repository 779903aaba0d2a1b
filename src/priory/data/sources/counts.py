"""Counts of molecules in cells, in an `.h5ad` file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int32
from numpy.typing import NDArray
from torch import Tensor

from priory.blockwise import blocks
from priory.data.checks import check_data, existing_file, readable
from priory.data.sources.own_split import parts_by_name
from priory.data.splits import Source
from priory.data.tables.cells import Table, classes_of
from priory.data.tables.columns import Column, Columns, check_counts
from priory.extras import needs

MOST_BYTES = 8 * 2**30
MOST_NAMED = 5


def open_counts(
    path: str | Path, *, layer: str | None = None, label: str | None = None, part: str | None = None
) -> Source:
    """Open the counts of an `.h5ad` file, cells by genes, sparse or not.

    Args:
        path: A file written by AnnData.
        layer: The layer that holds the counts, or `"raw"`; by default `X`.
        label: The column of `obs` that holds classes.
        part: The column of `obs` that says train, validation or test.

    Returns:
        The counts as whole numbers, `(N, D)`, with the names of the genes as `columns`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If AnnData is not installed.
        ValueError: If the file cannot be read, lacks the layer or the column, holds anything but
            counts, or would take more than 8 GiB of memory.

    Reference:
        Virshup et al., *anndata: Access and store annotated data matrices*, JOSS 9(101), 2024.
    """
    path = existing_file(path)
    table, obs, genes = _read(path, layer)
    if not genes:
        raise ValueError(f"expected genes in {path.name}, got none.")
    columns = Columns(tuple(Column(gene, "count") for gene in genes), label)
    return _source(path, table, obs, columns, part)


def open_counts_like(
    path: str | Path,
    columns: Columns,
    label_names: tuple[str, ...] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Source:
    """Open the counts of those genes that a model was trained on, whatever their order.

    Args:
        path: A file written by AnnData; genes that are not among the columns are left out.
        columns: The genes, and the column of `obs` that holds labels.
        label_names: The names of the labels.
        options: The `layer` and the column `label`, where they are not those trained on.

    Raises:
        ValueError: If a gene is missing, which is named, or as for `open_counts`.
    """
    path, options = existing_file(path), dict(options or {})
    table, obs, genes = _read(path, options.get("layer"))
    place = {gene: number for number, gene in enumerate(genes)}
    if absent := [gene for gene in columns.names if gene not in place]:
        more = f" and {len(absent) - MOST_NAMED} others" if len(absent) > MOST_NAMED else ""
        raise ValueError(
            f"expected the {len(columns.names)} genes trained on in {path.name}, got none of "
            f"{', '.join(map(repr, absent[:MOST_NAMED]))}{more}; add them, with zeros where they "
            "were not measured."
        )
    if (extra := len(genes) - len(columns.names)) > 0:
        warnings.warn(
            f"{extra} of the {len(genes)} genes in {path.name} are left out, as the model was not "
            "trained on them.",
            stacklevel=2,
        )
    table = table[:, [place[gene] for gene in columns.names]]
    label = options.get("label", columns.label)
    labelled = replace(columns, label=label if label in obs.columns else options.get("label"))
    source = _source(path, table, obs, labelled, None, label_names)
    return replace(source, columns=columns)


def _source(
    path: Path,
    table: Any,
    obs: Any,
    columns: Columns,
    part: str | None,
    label_names: tuple[str, ...] | None = None,
) -> Source:
    """Return counts, `(N, D)`, with what is said of the cells."""
    where = path.name
    bytes_needed = 4 * table.shape[0] * table.shape[1]
    if bytes_needed > MOST_BYTES:
        raise ValueError(
            f"expected counts of at most {MOST_BYTES / 2**30:g} GiB in {where}, got "
            f"{table.shape[0]} cells of {table.shape[1]} genes, which take "
            f"{bytes_needed / 2**30:.0f}; keep the most variable genes, or fewer cells."
        )
    x = check_data(_dense(table, columns.names, where), where, least=1 if label_names else 2)
    labels, names, parts = None, None, None
    cells = Table(obs, f"obs in {where}")
    if columns.label is not None:
        cells.check_name(columns.label)
        labels, names = classes_of(cells.cells(columns.label), label_names)
    if part is not None:
        cells.check_name(part)
        words = cells.cells(part).column.tolist()
        parts = parts_by_name(words, f"column {part!r} of {where}")
    return Source(path.stem, x, labels, names, parts, columns)


def _read(path: Path, layer: str | None) -> tuple[Any, Any, list[str]]:
    with needs("data"):
        import anndata
    errors = (OSError, ValueError, KeyError, TypeError, AttributeError)
    guard = readable(f"cells and genes in {path}", "AnnData's", "", *errors)
    with guard, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are not unique, and of old formats
        file = anndata.read_h5ad(path)
    names = file.var_names
    tables = {"X": file.X, **{name: file.layers[name] for name in file.layers if name}}
    if file.raw is not None and layer == "raw" and layer not in tables:
        tables["raw"], names = file.raw.X, file.raw.var_names
    table = tables.get(layer or "X")
    if table is None:
        raise ValueError(
            f"expected counts in {path.name} under one of {', '.join(tables)}, got "
            f"{'nothing there' if layer in (None, 'X') else repr(layer)}; say which layer."
        )
    genes = [str(name) for name in names]
    if len(set(genes)) < len(genes):
        twice = names[names.duplicated()][0]
        raise ValueError(
            f"expected different names of genes in {path.name}, got {twice!r} twice; make them "
            "unique with AnnData.var_names_make_unique."
        )
    return table, file.obs.reset_index(drop=True), genes


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
