"""Samplers against their own densities."""

from itertools import pairwise

import numpy as np
import torch
from scipy.stats import chisquare

from cases import Case, make_encoder, over_cases

BINS, DRAWS = 6, 10_000


@over_cases
@torch.no_grad()
def test_samples_fill_boxes_as_the_density_says(case: Case):
    p = case.distribution()
    # Quantiles of one half of the samples are the edges of boxes for the other half.
    quantiles = torch.linspace(0.02, 0.98, BINS + 1, dtype=torch.float64)
    x, y = (p.sample((DRAWS,))[:, d].quantile(quantiles).tolist() for d in (0, 1))
    mass = np.array([[box_mass(p, *i, *j) for j in pairwise(y)] for i in pairwise(x)])
    z = p.sample((DRAWS,)).numpy()
    count, _, _ = np.histogram2d(z[:, 0], z[:, 1], bins=(x, y))
    expected = DRAWS * np.append(mass, 1 - mass.sum())
    observed = np.append(count, DRAWS - count.sum())
    few = expected < 5
    observed = np.append(observed[~few], observed[few].sum())
    expected = np.append(expected[~few], expected[few].sum())
    if expected[-1] < 1:
        assert observed[-1] < 10
        observed, expected = observed[:-1], expected[:-1]
    assert len(expected) > 10
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def box_mass(p, left: float, right: float, below: float, above: float) -> float:
    """The probability of a box, by Gauss-Legendre quadrature."""
    nodes, weights = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(40))
    x = (left + right) / 2 + (right - left) / 2 * nodes
    y = (below + above) / 2 + (above - below) / 2 * nodes
    density = p.log_prob(torch.cartesian_prod(x, y)).exp().view(40, 40)
    area = (right - left) * (above - below) / 4
    return float(area * (weights[:, None] * weights * density).sum())


@over_cases
def test_a_seed_reproduces_samples_and_no_seed_repeats_them(case: Case):
    p = case.build()(make_encoder(), case.context)
    torch.manual_seed(3)
    first, second = p.sample((4,)), p.sample((4,))
    torch.manual_seed(3)
    assert p.sample((4,)).equal(first)
    assert not first.equal(second)
