"""From sources, one kind a file, to tensors in batches."""

from priory.data.array import open_array
from priory.data.batches import Batches
from priory.data.digits import open_digits
from priory.data.likelihood import Likelihood, choose_likelihood
from priory.data.open import open_data
from priory.data.splits import Splits, split_at_random

__all__ = [
    "Batches",
    "Likelihood",
    "Splits",
    "choose_likelihood",
    "open_array",
    "open_data",
    "open_digits",
    "split_at_random",
]
