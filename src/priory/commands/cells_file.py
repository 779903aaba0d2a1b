"""Cells in `.h5ad` files: the latents of encoded cells, and generated cells."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from priory.arrays import to_numpy
from priory.data import Columns
from priory.extras import needs
from priory.files import write_whole

CELLS = ".h5ad"
LATENTS, COMPONENT = "X_priory", "priory_component"
"""The names of the latents in `obsm` and of the components in `obs`."""


def write_beside(
    path: Path, source: Path, rows: Tensor | None, z: Tensor, component: Tensor | None
) -> None:
    """Write a copy of a file of cells with the latents in `obsm`, and the component in `obs`.

    Args:
        path: The file to write.
        source: The file of the cells.
        rows: Which of them were encoded, `(N,)`; None for all, in their order.
        z: Their latents, `(N, L)`.
        component: The component of the prior that explains each best, `(N,)`; None if the prior is
            not a mixture.

    Raises:
        ValueError: If the source is not a file of cells.
    """
    if source.suffix.lower() != CELLS:
        raise ValueError(
            f"expected cells from an {CELLS} file, to write a copy of it with the latents, got "
            f"{source.name}; write the latents as .csv, .parquet or .npy."
        )
    with needs("data"):
        import anndata
        import pandas as pd
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are not unique
        cells = anndata.read_h5ad(source)
        cells = cells if rows is None else cells[rows.numpy()].copy()
    cells.obsm[LATENTS] = to_numpy(z)
    if component is not None:
        cells.obs[COMPONENT] = pd.Categorical(component.tolist())
    write_anndata(path, cells)


def write_cells(
    path: Path, counts: Tensor, columns: Columns, annotations: Mapping[str, Any]
) -> None:
    """Write generated cells: their counts, and their annotations in `obs`.

    Args:
        path: The file to write.
        counts: The counts, or their means, `(M, D)`.
        columns: The genes.
        annotations: The columns of `obs` by name, as lists.
    """
    with needs("data"):
        import anndata
        import pandas as pd
        from scipy.sparse import csr_matrix
    names = [f"cell{number}" for number in range(len(counts))]
    obs = pd.DataFrame({n: pd.Categorical(v) for n, v in annotations.items()}, index=names)
    var = pd.DataFrame(index=list(columns.names))
    write_anndata(path, anndata.AnnData(csr_matrix(to_numpy(counts).astype(np.float32)), obs, var))


def write_anndata(path: Path, cells: Any) -> None:
    """Write an `AnnData` object completely or not at all, however pandas stores its text."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are not unique
        cells.obs, cells.var = _plain_text(cells.obs), _plain_text(cells.var)
        if cells.raw is not None:
            raw = cells.raw.to_adata()
            raw.var = _plain_text(raw.var)
            cells.raw = raw
        whole = Path(folder) / "cells.h5ad"
        cells.write_h5ad(whole)
        write_whole(path, whole.read_bytes())


def _plain_text(frame: Any) -> Any:
    """Return a frame with its text as Python strings, which every version of AnnData can write.

    Up to version 0.12.6, AnnData cannot write the strings of pandas 3.
    """
    import pandas as pd

    def plain(index: Any) -> Any:
        text = isinstance(index.dtype, pd.StringDtype)
        return pd.Index(list(index), dtype=object, name=index.name) if text else index

    frame = frame.copy()
    frame.index = plain(frame.index)
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, of = column.cat.codes, column.cat
            frame[name] = pd.Categorical.from_codes(codes, plain(of.categories), of.ordered)
        elif isinstance(column.dtype, pd.StringDtype):
            frame[name] = column.astype(object)
    return frame
