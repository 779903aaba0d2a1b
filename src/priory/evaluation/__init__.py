"""Questions asked of a trained model, one a file."""

from priory.evaluation.components import components_in_use
from priory.evaluation.exhibit import Exhibit, exhibit
from priory.evaluation.nll import NLL, negative_log_likelihood
from priory.evaluation.summary import Evaluation, evaluate

__all__ = [
    "NLL",
    "Evaluation",
    "Exhibit",
    "components_in_use",
    "evaluate",
    "exhibit",
    "negative_log_likelihood",
]
