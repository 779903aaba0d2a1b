"""Do samples of the prior differ from samples of the aggregated posterior?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import isqrt, sqrt
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array, as_points, to_numpy
from priory.distributions import widened
from priory.evaluation.measure import Measure
from priory.evaluation.study import FEWEST, Study
from priory.extras import needs

FOLDS = 5


@dataclass(frozen=True)
class ClassifierTest:
    """How well a classifier distinguishes two samples.

    Attributes:
        accuracy: The share of held-out points assigned to the correct sample; one half if the two
            cannot be distinguished.
        standard_error: The standard error for a share of independent points.
        p_value: The share of random divisions of all points into two samples, including this one,
            that are distinguished at least as well.
        num_samples: The number of points in each sample.
    """

    accuracy: float
    standard_error: float
    p_value: float
    num_samples: int


@dataclass(frozen=True)
class MMD:
    """The maximum mean discrepancy between two samples.

    Attributes:
        squared: Its unbiased estimate, squared; it may be below zero.
        p_value: The share of random divisions of all points into two samples, including this one,
            with a discrepancy at least as large.
        bandwidth: The length scale of the kernel.
        num_samples: The number of points in each sample.
    """

    squared: float
    p_value: float
    bandwidth: float
    num_samples: int


def classifier_test(
    one: Float[Tensor, "M L"] | Array,
    other: Float[Tensor, "N L"] | Array,
    classifier: Any = None,
    num_permutations: int = 99,
    seed: int = 0,
) -> ClassifierTest:
    r"""Test whether a classifier can distinguish two samples, with five-fold cross-validation.

    The same number of points is taken from each. The p-value is exact: the points of both are
    randomly divided again, and each division is cross-validated. (A binomial test would not be
    exact: folds share their training points, and it rejects one in ten equal samples at the 0.05
    level.) The test only finds differences that its classifier can detect: if it finds none, there
    may still be one.

    Args:
        one: A sample, such as of the prior.
        other: Another, such as of q(z), one for each held-out example.
        classifier: Any scikit-learn classifier; by default $\sqrt{n}$ nearest neighbours on
            standardised dimensions.
        num_permutations: The number of random divisions for the p-value; each takes as long as the
            accuracy itself.
        seed: The seed of the folds and of the divisions.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If there are fewer than ten points in each.

    Reference:
        Lopez-Paz & Oquab, *Revisiting Classifier Two-Sample Tests*, ICLR 2017, section 3.

    Examples:
        >>> import torch
        >>> from priory.evaluation import classifier_test
        >>> classifier_test(torch.randn(50, 2), torch.randn(50, 2) + 9, num_permutations=19)
        ClassifierTest(accuracy=1.0, standard_error=0.0, p_value=0.05, num_samples=50)
    """
    one, other = as_points(one), as_points(other)
    size = min(len(one), len(other))
    if size < 2 * FOLDS:
        raise ValueError(f"expected at least {2 * FOLDS} points in each sample, got {size}.")
    with needs("measure"):
        from sklearn.model_selection import StratifiedKFold, permutation_test_score
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    if classifier is None:
        neighbours = isqrt(2 * size * (FOLDS - 1) // FOLDS) | 1  # an odd number has no ties
        classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(neighbours))
    points = np.concatenate([to_numpy(one[:size]), to_numpy(other[:size])]).astype(np.float64)
    labels = np.arange(2).repeat(size)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    accuracy, _, p_value = permutation_test_score(
        classifier, points, labels, cv=folds, n_permutations=num_permutations, random_state=seed
    )
    return ClassifierTest(
        accuracy=float(accuracy),
        standard_error=sqrt(accuracy * (1 - accuracy) / len(labels)),
        p_value=float(p_value),
        num_samples=size,
    )


@torch.no_grad()
def maximum_mean_discrepancy(
    one: Float[Tensor, "M L"] | Array,
    other: Float[Tensor, "N L"] | Array,
    num_permutations: int = 500,
) -> MMD:
    r"""Compare two samples by the mean values of a Gaussian kernel within and between them.

    $$\text{MMD}^2 = E[k(z, z')] + E[k(y, y')] - 2 E[k(z, y)], \qquad
    k(z, y) = \exp\Big(-\frac{\|z - y\|^2}{2 h^2}\Big)$$

    for z, z' from one and y, y' from the other, where h is the median distance between all points.
    The same number of points is taken from each; memory grows with the square of their number. The
    permutation p-value is exact.

    Args:
        one: A sample, such as of the prior.
        other: Another, such as of q(z), one for each held-out example.
        num_permutations: The number of random divisions for the p-value, drawn from torch's
            generator.

    Raises:
        ValueError: If there are fewer than two points in each.

    Reference:
        Gretton et al., *A Kernel Two-Sample Test*, Journal of Machine Learning Research 13, 2012,
        lemma 6 and section 5.

    Examples:
        >>> import torch
        >>> from priory.evaluation import maximum_mean_discrepancy
        >>> maximum_mean_discrepancy(torch.randn(200, 2), torch.randn(200, 2) + 1).p_value < 0.01
        True
    """
    one, other = as_points(one), as_points(other)
    size = min(len(one), len(other))
    if size < 2:
        raise ValueError(f"expected at least two points in each sample, got {size}.")
    points = widened(torch.cat([one[:size], other[:size].to(one.device)]))
    squares = torch.cdist(points, points).square()
    rows, columns = torch.triu_indices(2 * size, 2 * size, 1, device=points.device)
    bandwidth = float(squares[rows, columns].median().sqrt()) or 1.0
    kernel = squares.div_(-2 * bandwidth**2).exp_().fill_diagonal_(0)
    first = points.new_zeros(1 + num_permutations, 2 * size)
    first[0, :size] = 1
    order = torch.rand(num_permutations, 2 * size, device=points.device).argsort(1)
    first[1:].scatter_(1, order[:, :size], 1.0)
    of_first = first @ kernel  # (1 + permutations, points)
    within_first = (of_first * first).sum(1)
    between = of_first.sum(1) - within_first
    within_second = kernel.sum() - within_first - 2 * between
    squared = (within_first + within_second) / (size * (size - 1)) - 2 * between / size**2
    # Divisions that are equal up to rounding count as equally large.
    share = int((squared >= squared[0] - 1e-12).sum()) / len(squared)
    return MMD(float(squared[0]), share, bandwidth, size)


def classifier_of(study: Study) -> ClassifierTest | None:
    """Train a classifier to distinguish the prior from q(z), if there are enough held-out data."""
    if len(study.points) < FEWEST:
        return None
    one, other = study.prior_samples, study.top_z[study.points]
    return study.once("classifier", lambda: classifier_test(one, other, seed=study.seed))


def discrepancy_of(study: Study) -> MMD | None:
    """Return the maximum mean discrepancy between the prior and q(z) of held-out data."""
    if len(study.x) < 2:
        return None
    one, other = study.prior_samples, study.top_z[study.points]
    return study.once("discrepancy", lambda: maximum_mean_discrepancy(one, other))


def _p_value(test: str, record: Mapping[str, Any]) -> dict[str, str]:
    return {"note": f"p = {record[test]['p_value']:.3g}"}


CLASSIFIER = Measure(
    "classifier.accuracy",
    "classifier accuracy, p(z) against q(z)",
    "share of samples of the prior and of q(z) that a classifier tells apart",
    classifier_of,
    unit="share",
    better="lower",
    perfect=0.5,
    covers="over the points classified",
    form=".1%",
    of_top=True,
    remark=partial(_p_value, "classifier"),
)
DISCREPANCY = Measure(
    "discrepancy.squared",
    "MMD² to q(z)",
    "squared maximum mean discrepancy between the prior and q(z)",
    discrepancy_of,
    better="lower",
    perfect=0.0,
    form=".4f",
    of_top=True,
    remark=partial(_p_value, "discrepancy"),
)
