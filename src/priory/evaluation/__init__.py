"""Questions asked of a trained model, one a file."""

from priory.evaluation.components import components_in_use, dead_components
from priory.evaluation.cross_entropy import Estimate, cross_entropy
from priory.evaluation.exhibit import Exhibit, exhibit
from priory.evaluation.holes import Holes, holes, model_holes
from priory.evaluation.nll import NLL, negative_log_likelihood
from priory.evaluation.pareto import pareto_k
from priory.evaluation.summary import Evaluation, evaluate
from priory.evaluation.surgery import Dimensions, Surgery, surgery

__all__ = [
    "NLL",
    "Dimensions",
    "Estimate",
    "Evaluation",
    "Exhibit",
    "Holes",
    "Surgery",
    "components_in_use",
    "cross_entropy",
    "dead_components",
    "evaluate",
    "exhibit",
    "holes",
    "model_holes",
    "negative_log_likelihood",
    "pareto_k",
    "surgery",
]
