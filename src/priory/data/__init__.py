"""From sources, one kind a file, to tensors in batches."""

from priory.data.array import open_array
from priory.data.batches import Batch, Batches
from priory.data.digits import open_digits
from priory.data.likelihood import Likelihood, choose_likelihood
from priory.data.open import open_data, open_source
from priory.data.part import Part
from priory.data.source import Source
from priory.data.splits import Splits, assign_parts, split

__all__ = [
    "Batch",
    "Batches",
    "Likelihood",
    "Part",
    "Source",
    "Splits",
    "assign_parts",
    "choose_likelihood",
    "open_array",
    "open_data",
    "open_digits",
    "open_source",
    "split",
]
