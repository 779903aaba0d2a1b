"""Do generated counts agree with held-out ones, dimension by dimension?"""

from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array, as_points
from priory.distributions import widened
from priory.evaluation.depth import is_of_counts
from priory.evaluation.measure import Measure
from priory.evaluation.study import FEWEST, Study
from priory.evaluation.two_sample import ClassifierTest, classifier_test
from priory.extras import needs

DIRECTIONS = 20


@dataclass(frozen=True)
class Agreement:
    """How much means, variances and shares of zeros differ, in standard errors of the difference.

    Each is a root mean square over dimensions: about 1 if samples are distributed like the data.

    Attributes:
        means: The difference of the means.
        variances: The difference of the variances.
        zeros: The difference of the shares of zeros.
        num_dimensions: The number of dimensions in which data or samples vary at all.
    """

    means: float
    variances: float
    zeros: float
    num_dimensions: int


def gene_agreement(
    samples: Float[Tensor, "M *shape"] | Array, data: Float[Tensor, "N *shape"] | Array
) -> Agreement:
    r"""Compare the means, variances and shares of zeros of counts, such as those of genes in cells.

    $$\Big( \frac1D \sum_d \frac{(\bar y_d - \bar x_d)^2}{s^2_{y,d}/M + s^2_{x,d}/N}
    \Big)^{1/2}$$

    for the means of M samples y and N examples x. The variances, whose squared standard error is
    $(m_4 - s^4) / N$ with the fourth central moment $m_4$, and the shares of zeros are compared in
    the same way.

    Args:
        samples: Generated counts.
        data: Counts that the model was not trained on.

    Raises:
        ValueError: If there are fewer than ten of either, or all dimensions are constant.

    Examples:
        >>> import torch
        >>> from priory.evaluation.gene_agreement import gene_agreement
        >>> agreement = gene_agreement(*torch.poisson(torch.full((2, 500, 30), 2.0)))
        >>> 0.7 < agreement.means < 1.3, 0.7 < agreement.zeros < 1.3
        (True, True)
    """
    samples = as_points(samples)
    data = as_points(data).to(samples.device)
    both = [widened(one.flatten(1)) for one in (samples, data)]
    fewest = min(map(len, both))
    if fewest < FEWEST:
        raise ValueError(f"expected at least {FEWEST} samples and examples, got {fewest}.")
    kept = both[0].var(0) + both[1].var(0) > 0
    if not kept.any():
        raise ValueError("expected counts that differ between examples, got identical examples.")
    (y, x) = (one[:, kept] for one in both)
    return Agreement(
        means=_difference(y, x),
        variances=_difference(*((one - one.mean(0)).square() for one in (y, x))),
        zeros=_difference((y == 0).to(y), (x == 0).to(x)),
        num_dimensions=int(kept.sum()),
    )


def _difference(y: Tensor, x: Tensor) -> float:
    """Return the root mean square of the differences of means, in standard errors of them."""
    squared_error = y.var(0) / len(y) + x.var(0) / len(x)
    differs = squared_error > 0
    if not differs.any():
        return 0.0
    squared = (y.mean(0) - x.mean(0)).square()[differs] / squared_error[differs]
    return float(squared.mean().sqrt())


def agreement_of(study: Study) -> Agreement | None:
    """Compare generated counts with held-out ones, if there are enough."""
    if not is_of_counts(study) or len(study.points) < FEWEST:
        return None
    data = study.x[study.points]
    if not (data.flatten(1).var(0) > 0).any():
        return None
    return study.once("agreement", lambda: gene_agreement(study.decoded_samples, data))


def told_apart(
    samples: Float[Tensor, "M *shape"] | Array,
    data: Float[Tensor, "N *shape"] | Array,
    **how: Any,
) -> ClassifierTest:
    r"""Train a classifier to distinguish generated counts from held-out ones.

    It uses the $\sqrt{n}$ nearest neighbours along the first twenty principal directions of log(1 +
    x) of both together, without rescaling.

    Args:
        samples: Generated counts.
        data: Counts that the model was not trained on.
        **how: Arguments of [`classifier_test`][priory.evaluation.classifier_test].
    """
    y, x = (widened(as_points(one).flatten(1)).log1p() for one in (samples, data))
    whole = torch.cat([y, x])
    whole = whole - whole.mean(0)
    leading = torch.linalg.svd(whole, full_matrices=False).Vh[:DIRECTIONS].mT
    shown = whole @ leading
    neighbours = isqrt(min(len(y), len(x))) | 1  # an odd number has no ties
    with needs("measure"):
        from sklearn.neighbors import KNeighborsClassifier
    classifier = KNeighborsClassifier(neighbours)
    return classifier_test(shown[: len(y)], shown[len(y) :], classifier, **how)


def told_apart_of(study: Study) -> ClassifierTest | None:
    """Train a classifier to distinguish generated counts from held-out ones."""
    if not is_of_counts(study) or len(study.points) < FEWEST:
        return None
    samples, data = study.decoded_samples, study.x[study.points]
    return study.once("made", lambda: told_apart(samples, data, seed=study.seed))


_agrees = partial(
    Measure, compute=agreement_of, better="lower", perfect=1.0, of_counts=True, form=".2f"
)
MEANS = _agrees(
    "agreement.means",
    "means of samples",
    ("how far they are from those of the data, in standard errors"),
)
VARIANCES = _agrees(
    "agreement.variances", "variances of samples", ("how far they are from those of the data")
)
ZEROS = _agrees(
    "agreement.zeros",
    "zeros among samples",
    ("how far the shares of zeros are from those of the data"),
)
MADE = Measure(
    "made.accuracy",
    "classifier accuracy, samples against data",
    "share of generated and held-out examples that a classifier tells apart",
    told_apart_of,
    unit="share",
    better="lower",
    perfect=0.5,
    covers="over the examples classified",
    form=".1%",
)
