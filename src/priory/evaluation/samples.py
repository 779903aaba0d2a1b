"""Do samples of a model look like data, and do the samples cover the data?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from priory.arrays import Array
from priory.blockwise import blocks
from priory.evaluation.measure import Measure
from priory.evaluation.nearest import Features, features_of, nearest
from priory.evaluation.study import FEWEST, Study


@dataclass(frozen=True)
class SampleQuality:
    """Four shares that compare samples of a model with data.

    Attributes:
        precision: The share of samples in the neighbourhood of some example.
        recall: The share of examples in the neighbourhood of some sample.
        density: The number of neighbourhoods of examples that a sample is in, divided by the k
            expected; one if samples are distributed like the data, but it can be larger.
        coverage: The share of examples with a sample in their neighbourhood.
        num_samples: The number of samples.
        num_data: The number of examples.
        k: Neighbourhoods extend to the k-th nearest neighbour.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    num_samples: int
    num_data: int
    k: int

    @property
    def coverage_if_equal(self) -> float:
        r"""The expected coverage if samples are distributed like the data.

        It is $1 - \prod_{i=1}^k \frac{N - i}{M + N - i}$ for N examples and M samples.
        """
        missed = 1.0
        for i in range(1, self.k + 1):
            missed *= (self.num_data - i) / (self.num_samples + self.num_data - i)
        return 1 - missed


@torch.no_grad()
def sample_quality(
    samples: Float[Tensor, "M *shape"] | Array,
    data: Float[Tensor, "N *shape"] | Array,
    k: int = 5,
    features: Features | None = None,
) -> SampleQuality:
    r"""Measure the precision, recall, density and coverage of samples.

    Let $B(x)$ be the ball around x that extends to its k-th nearest neighbour within its own set,
    with examples $x_i$ and samples $y_j$:

    $$\text{precision} = \frac1M \sum_j 1\Big[y_j \in \bigcup_i B(x_i)\Big], \quad
    \text{recall} = \frac1N \sum_i 1\Big[x_i \in \bigcup_j B(y_j)\Big],$$
    $$\text{density} = \frac{1}{kM} \sum_{j,i} 1[y_j \in B(x_i)], \quad
    \text{coverage} = \frac1N \sum_i 1\big[\exists j: y_j \in B(x_i)\big].$$

    An outlier among the data, or the samples, has a large ball and raises precision, or recall;
    density and coverage are robust to it. All four depend on the numbers of samples and examples,
    so compare them only at equal numbers. Distances between raw pixels say little about images; use
    the features of a network.

    Args:
        samples: Samples from the model.
        data: Data that it was not trained on.
        k: The neighbour that bounds a neighbourhood.
        features: The features to compare; by default the values themselves.

    Raises:
        ValueError: If there are not more than k samples or examples.

    Reference:
        Kynkäänniemi et al., *Improved Precision and Recall Metric for Assessing Generative Models*,
        NeurIPS 2019, equations 1 and 2; Naeem et al., *Reliable Fidelity and Diversity Metrics for
        Generative Models*, ICML 2020, equations 3 and 4.

    Examples:
        >>> import torch
        >>> from priory.evaluation import sample_quality
        >>> data = torch.randn(200, 2)
        >>> sample_quality(0.01 * torch.randn(200, 2), data).coverage < 0.2
        True
    """
    samples = features_of(samples, features)
    data = features_of(data, features, samples)
    of_data, of_samples = (
        nearest(points, points, k, itself=True).distance[:, -1] for points in (data, samples)
    )
    in_data, covered = samples.new_zeros(len(samples)), torch.zeros_like(of_data, dtype=torch.bool)
    recalled = torch.zeros_like(covered)
    for rows in blocks(len(samples), most=1024):
        for columns in blocks(len(data), most=1024):
            distance = torch.cdist(samples[rows], data[columns])
            inside = distance <= of_data[columns]
            in_data[rows] += inside.sum(1)
            covered[columns] |= inside.any(0)
            recalled[columns] |= (distance <= of_samples[rows].unsqueeze(-1)).any(0)
    return SampleQuality(
        precision=int((in_data > 0).sum()) / len(samples),
        recall=int(recalled.sum()) / len(data),
        density=float(in_data.mean()) / k,
        coverage=int(covered.sum()) / len(data),
        num_samples=len(samples),
        num_data=len(data),
        k=k,
    )


def sample_quality_of(study: Study) -> SampleQuality | None:
    """Compare samples of a model with held-out data, if there are enough."""
    points = study.points
    if len(points) < FEWEST:
        return None
    return study.once(
        "samples",
        lambda: sample_quality(study.decoded_samples, study.x[points], features=study.features),
    )


_quality = partial(Measure, compute=sample_quality_of, better="higher")


def _if_equal(record: Mapping[str, Any]) -> dict[str, str]:
    coverage = SampleQuality(**record["samples"]).coverage_if_equal
    return {"note": f"{coverage:.2f} for real data"}


PRECISION = _quality(
    "samples.precision", "precision", "share of samples that are near an example", perfect=1.0
)
RECALL = _quality(
    "samples.recall", "recall", "share of examples that are near a sample", perfect=1.0
)
DENSITY = _quality(
    "samples.density", "density", "how dense the examples are around samples", perfect=1.0
)
COVERAGE = _quality(
    "samples.coverage",
    "coverage",
    "share of examples with a sample near them",
    remark=_if_equal,
)
