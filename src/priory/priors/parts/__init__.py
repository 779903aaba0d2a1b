"""The parts of mixture priors: components, inputs and weights."""

from priory.priors.parts.base import (
    Components,
    ComponentsPart,
    Inputs,
    InputsPart,
    Part,
    Weights,
    mapping_of,
    part_of,
)
from priory.priors.parts.base import holds_examples as holds_examples
from priory.priors.parts.exemplars import Exemplars
from priory.priors.parts.free import FreeComponents
from priory.priors.parts.generated import GeneratedInputs
from priory.priors.parts.grid import GridInputs, SheetComponents
from priory.priors.parts.labelled import LabelledInputs
from priory.priors.parts.posteriors import FreeInputs, Posteriors, PseudoInputs

__all__ = [
    "Components",
    "ComponentsPart",
    "Exemplars",
    "FreeComponents",
    "FreeInputs",
    "GeneratedInputs",
    "GridInputs",
    "Inputs",
    "InputsPart",
    "LabelledInputs",
    "Part",
    "Posteriors",
    "PseudoInputs",
    "SheetComponents",
    "Weights",
    "mapping_of",
    "part_of",
]
