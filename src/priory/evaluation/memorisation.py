"""Does a model copy its training data?"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array
from priory.distributions import widened
from priory.evaluation.measure import Measure
from priory.evaluation.nearest import Features, features_of, nearest
from priory.evaluation.study import Study


@dataclass(frozen=True)
class Memorisation:
    r"""How close samples are to training data, compared with held-out data.

    Attributes:
        z_score: The standardised Mann-Whitney statistic of the distances to the nearest training
            example: far below zero, samples are closer to the training data than held-out data are
            (copying); far above zero, they are further away (underfitting).
        probability: The probability that a sample is further from the training data than a held-out
            example, $U / MN$; one half if they are equally far.
        p_value: The probability of a z this low if samples are not closer than held-out examples.
        closer_to_training: The share of samples whose nearest training example is closer than their
            nearest held-out one, from equal numbers of both; one half without copying.
        closer_to_training_standard_error: Its standard error over samples.
        num_samples: The number of samples M.
        num_held_out: The number of held-out examples N.
    """

    z_score: float
    probability: float
    p_value: float
    closer_to_training: float
    closer_to_training_standard_error: float
    num_samples: int
    num_held_out: int


@torch.no_grad()
def memorisation(
    samples: Float[Tensor, "M *shape"] | Array,
    training: Float[Tensor, "T *shape"] | Array,
    held_out: Float[Tensor, "N *shape"] | Array,
    features: Features | None = None,
) -> Memorisation:
    r"""Test whether samples are closer to the training data than held-out data are.

    Let $d(x)$ be the distance from x to the nearest training example, and count a tie as one half:

    $$U = \sum_{i,j} 1[d(y_j) > d(x_i)], \qquad
    z = \frac{U - MN/2}{\sqrt{MN (M + N + 1) / 12}}$$

    for samples $y_j$ and held-out data $x_i$. The test covers the whole space, not cells of it: a
    model that copies in one place and is too wide in another may pass.

    Args:
        samples: Samples from the model.
        training: The data that it was trained on.
        held_out: Data from the same source that it was not trained on.
        features: The features to compute distances from; by default the values themselves.

    Raises:
        ValueError: If a set is empty.

    Reference:
        Meehan, Chaudhuri & Dasgupta, *A Non-Parametric Test to Detect Data-Copying in Generative
        Models*, AISTATS 2020, section 3.

    Examples:
        >>> import torch
        >>> from priory.evaluation import memorisation
        >>> training, held_out = torch.randn(100, 2), torch.randn(100, 2)
        >>> memorisation(training + 0.001, training, held_out).z_score < -5
        True
    """
    samples = features_of(samples, features)
    training, held_out = (features_of(data, features, samples) for data in (training, held_out))
    count, held = len(samples), len(held_out)
    if not min(count, held, len(training)):
        raise ValueError(
            "expected samples, training data and held-out data, got none of at least one kind."
        )
    of_samples, of_held_out = (
        nearest(points, training).distance[:, 0] for points in (samples, held_out)
    )
    # SciPy's `mannwhitneyu` returns U but not z, and the core does not need SciPy.
    ordered = of_held_out.sort().values
    below = torch.searchsorted(ordered, of_samples) + torch.searchsorted(
        ordered, of_samples, right=True
    )
    u = float(widened(below).sum()) / 2
    z = (u - count * held / 2) / math.sqrt(count * held * _spread(of_samples, of_held_out) / 12)
    size = min(len(training), held)
    few, others = (t[torch.randperm(len(t), device=t.device)[:size]] for t in (training, held_out))
    to_few, to_others = (nearest(samples, data).distance[:, 0] for data in (few, others))
    closer = (to_few < to_others).to(to_few) + 0.5 * (to_few == to_others)
    return Memorisation(
        z_score=z,
        probability=u / (count * held),
        p_value=0.5 * math.erfc(-z / math.sqrt(2)),
        closer_to_training=float(closer.mean()),
        closer_to_training_standard_error=(
            float(closer.std()) / math.sqrt(count) if count > 1 else math.nan
        ),
        num_samples=count,
        num_held_out=held,
    )


def _spread(one: Tensor, other: Tensor) -> float:
    """Return the value that replaces M + N + 1 if distances are tied."""
    count = len(one) + len(other)
    _, ties = torch.cat([one, other]).unique(return_counts=True)
    lost = float((widened(ties) ** 3 - ties).sum()) / (count * max(1, count - 1))
    return max(count + 1 - lost, 1e-12)


def memorisation_of(study: Study) -> Memorisation | None:
    """Test whether samples of a model are copies of its training data, if these are available."""
    if study.chosen is None:
        return None
    data = study.decoded_samples, study.fitted[0], study.x[study.points]
    return study.once("memorisation", lambda: memorisation(*data, study.features))


COPYING = Measure(
    "memorisation.z_score",
    "copying",
    "z-score: far below 0, samples are copies of training data; far above 0, the model underfits",
    memorisation_of,
    form=".1f",
)
