"""From sources, one kind per file, to tensors in batches."""

from typing import TYPE_CHECKING, Any

from priory.data.batches import Batch, Batches
from priory.data.binarise import binarise, grey_range
from priory.data.data_format import DataFormat
from priory.data.describe import describe
from priory.data.open import open_data, open_like, open_source
from priory.data.sources.arrays import open_array, open_npz, open_tensors
from priory.data.sources.built_in import open_digits, open_fashion_mnist, open_mnist
from priory.data.sources.counts import open_counts
from priory.data.sources.idx import open_idx, open_idx_folder
from priory.data.sources.images import open_images
from priory.data.sources.own_split import complete_parts
from priory.data.sources.rings import open_rings
from priory.data.splits import Part, Source, Splits, assign_parts, split
from priory.data.tables.columns import Column, Columns
from priory.data.tables.table import open_table

if TYPE_CHECKING:
    from priory.likelihoods import Likelihood, LikelihoodName, choose_likelihood

__all__ = [
    "Batch",
    "Batches",
    "Column",
    "Columns",
    "DataFormat",
    "Likelihood",
    "LikelihoodName",
    "Part",
    "Source",
    "Splits",
    "assign_parts",
    "binarise",
    "choose_likelihood",
    "complete_parts",
    "describe",
    "grey_range",
    "open_array",
    "open_counts",
    "open_data",
    "open_digits",
    "open_fashion_mnist",
    "open_idx",
    "open_idx_folder",
    "open_images",
    "open_like",
    "open_mnist",
    "open_npz",
    "open_rings",
    "open_source",
    "open_table",
    "open_tensors",
    "split",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # these were here before likelihoods had their own package
        from priory import likelihoods

        return getattr(likelihoods, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
