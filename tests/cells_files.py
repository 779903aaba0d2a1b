"""A small file of cells: two types in two batches, of different depths."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def make_cells(num: int = 90, genes: int = 12, seed: int = 0) -> Any:
    """Return cells of types A and B, measured in batches one and two, with genes g0, g1, ...

    Each type has genes of its own; batch two is measured to a third of the depth, and some of its
    genes less well.
    """
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(0, 2, num), rng.integers(0, 2, num)
    shares = np.ones((2, genes))
    shares[0, : genes // 3] = 8
    shares[1, -(genes // 3) :] = 8
    of_batch = np.exp(0.5 * rng.standard_normal((2, genes)))
    depth = 90 * np.exp(0.3 * rng.standard_normal(num)) / np.array([1, 3])[batch]
    means = shares[kind] * of_batch[batch]
    means *= (depth / means.sum(1))[:, None]
    counts = rng.poisson(means).astype(np.float32)
    counts[:, 0] += 1  # no cell is empty
    obs = {
        "cell_type": pandas.Categorical(np.array(["A", "B"])[kind]),
        "donor": pandas.Categorical(np.array(["one", "two"])[batch]),
        "n_counts": counts.sum(1) * 1.5,
    }
    obs = pandas.DataFrame(obs, index=[f"cell-{n}" for n in range(num)])
    var = pandas.DataFrame(index=[f"g{n}" for n in range(genes)])
    cells = anndata.AnnData(counts, obs, var)
    cells.layers["counts"] = counts
    return cells


def read_cells(path: Path) -> Any:
    anndata = pytest.importorskip("anndata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anndata.read_h5ad(path)


def with_genes(cells: Any, genes: slice) -> Any:
    """Return the cells with some of their genes, of which some pairs of versions warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cells[:, genes].copy()
