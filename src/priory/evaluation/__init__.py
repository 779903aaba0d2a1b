"""Questions about a trained model, one per file."""

from priory.evaluation.answers import Evaluation, Measures, Scores
from priory.evaluation.batch_mixing import batch_mixing
from priory.evaluation.clusters import Clusters, clusters_and_labels
from priory.evaluation.component_view import ComponentView, component_view
from priory.evaluation.components import components_in_use, dead_components
from priory.evaluation.cross_entropy import Estimate, cross_entropy
from priory.evaluation.decoding import decode
from priory.evaluation.depth import Depth, depth_in_latents
from priory.evaluation.exhibit import Exhibit, exhibit, sample_data
from priory.evaluation.exploration import DecodedPlane, Exploration, explore
from priory.evaluation.gene_agreement import Agreement, gene_agreement, told_apart
from priory.evaluation.holes import Holes, holes, in_holes, model_holes
from priory.evaluation.imputation import Imputation, impute
from priory.evaluation.interpolation import Interpolation, interpolate
from priory.evaluation.latent_use import LatentUse, latent_use
from priory.evaluation.log_prob import LogProb
from priory.evaluation.measure import Measure, Value
from priory.evaluation.memorisation import Memorisation, memorisation
from priory.evaluation.nearest import Nearest, nearest
from priory.evaluation.nll import NLL, negative_log_likelihood
from priory.evaluation.pareto import pareto_k
from priory.evaluation.plane import Plane, planes
from priory.evaluation.samples import SampleQuality, sample_quality
from priory.evaluation.scores import evaluate, measure
from priory.evaluation.study import Study
from priory.evaluation.surgery import Dimensions, Surgery, surgery
from priory.evaluation.top_level import top_level
from priory.evaluation.two_sample import (
    MMD,
    ClassifierTest,
    classifier_test,
    maximum_mean_discrepancy,
)

__all__ = [
    "MMD",
    "NLL",
    "Agreement",
    "ClassifierTest",
    "Clusters",
    "ComponentView",
    "DecodedPlane",
    "Depth",
    "Dimensions",
    "Estimate",
    "Evaluation",
    "Exhibit",
    "Exploration",
    "Holes",
    "Imputation",
    "Interpolation",
    "LatentUse",
    "LogProb",
    "Measure",
    "Measures",
    "Memorisation",
    "Nearest",
    "Plane",
    "SampleQuality",
    "Scores",
    "Study",
    "Surgery",
    "Value",
    "batch_mixing",
    "classifier_test",
    "clusters_and_labels",
    "component_view",
    "components_in_use",
    "cross_entropy",
    "dead_components",
    "decode",
    "depth_in_latents",
    "evaluate",
    "exhibit",
    "explore",
    "gene_agreement",
    "holes",
    "impute",
    "in_holes",
    "interpolate",
    "latent_use",
    "maximum_mean_discrepancy",
    "measure",
    "memorisation",
    "model_holes",
    "nearest",
    "negative_log_likelihood",
    "pareto_k",
    "planes",
    "sample_data",
    "sample_quality",
    "surgery",
    "told_apart",
    "top_level",
]
