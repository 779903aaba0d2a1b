"""P-values, from statistics with a known distribution and from random signs, with fixed seeds."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with a seed for torch's generator, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def of_means(values: Tensor, expected: Tensor | float) -> float:
    """Return the p-value that all column means are as expected, corrected for their number.

    Each column is a z-test; a constant column must be as expected up to rounding.
    """
    n = len(values)
    centred = values.reshape(n, -1) - torch.as_tensor(expected, dtype=values.dtype).reshape(1, -1)
    error = centred.mean(0)
    bar = centred.std(0) / math.sqrt(n)
    floor = 1e-9 * (1 + values.reshape(n, -1).abs().mean(0))
    z = error.abs() / bar.maximum(floor)
    p = torch.special.erfc(z / math.sqrt(2))
    return min(1.0, float(p.min() * p.numel()))


def of_chi_square(statistic: float, degrees: int) -> float:
    """Return the p-value of a chi-square statistic."""
    half = torch.tensor([degrees / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def of_uniform(u: Tensor) -> float:
    """Return the corrected Kolmogorov-Smirnov p-value that all columns are uniform."""
    n = len(u)
    ordered = u.sort(0).values
    steps = torch.arange(n, dtype=u.dtype).unsqueeze(-1) / n
    distance = float(torch.maximum(ordered - steps, steps + 1 / n - ordered).max())
    return min(1.0, of_distance(distance, math.sqrt(n)) * u.shape[1])


def of_two_samples(a: Tensor, b: Tensor) -> float:
    """Return the corrected Kolmogorov-Smirnov p-value that columns have the same distribution.

    Equal entries count as equal. Columns may depend on one another.
    """
    least = 1.0
    for x, y in zip(a.T.contiguous(), b.T.contiguous(), strict=True):
        both = torch.cat([x, y])
        below = [torch.searchsorted(c.sort().values, both, right=True) / len(c) for c in (x, y)]
        distance = float((below[0] - below[1]).abs().max())
        size = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
        least = min(least, of_distance(distance, size))
    return min(1.0, least * a.shape[1])


def of_distance(distance: float, root: float) -> float:
    """Return the p-value of a Kolmogorov-Smirnov distance times the root of the sample size."""
    reach = (root + 0.12 + 0.11 / root) * distance
    if reach < 0.3:  # the series is one up to rounding, and slow
        return 1.0
    terms = [(-1) ** (k - 1) * math.exp(-2 * (k * reach) ** 2) for k in range(1, 101)]
    return min(1.0, max(0.0, 2 * math.fsum(terms)))


def of_signs(matrix: Tensor, level: float, seed: int) -> float:
    r"""Return the p-value of $\sum_{ij} M_{ij}$ among $e^T M e$ for random signs e.

    There are up to five times as many draws as needed to reach the level at all; they stop early
    once fifty exceed the sum, because the p-value is then known well enough and is not small.

    Reference:
        Chwialkowski et al., *A Kernel Test of Goodness of Fit*, ICML 2016, section 3 (with
        independent signs); Besag & Clifford, *Sequential Monte Carlo p-values*, 1991.
    """
    most, size = math.ceil(5 / level), 2**11
    matrix = matrix.float()
    observed = float(matrix.sum())
    above = draws = 0
    with seeded(seed):
        while draws < most and above < 50:
            signs = torch.randint(2, (size, len(matrix)), dtype=torch.int8).float() * 2 - 1
            above += int(((signs @ matrix) * signs).sum(-1).ge(observed).sum())
            draws += size
    return (1 + above) / (1 + draws)


def energy_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix for `of_signs` of the energy distance: a sign exchanges $a_i$ and $b_i$."""
    cross = torch.cdist(a, b)
    return cross + cross.T - torch.cdist(a, a) - torch.cdist(b, b)


def skewed(values: Tensor) -> Tensor:
    r"""Return which columns are too skewed for a z-test of their mean at small p-values, `(F,)`.

    Edgeworth's first correction of such a p-value, $\gamma t^3 / (6 \sqrt n)$ with t = 4.5, is then
    above one and a half. Heavy tails and rare events are skewed in every sample.
    """
    centred = values - values.mean(0)
    deviation = centred.square().mean(0).sqrt().clamp(min=1e-300)
    skewness = (centred / deviation).pow(3).mean(0)
    return skewness.abs() > 0.1 * math.sqrt(len(values))
