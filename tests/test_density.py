"""What the kit checks, by other means: every prior against an integral on a grid and box masses.

The kit is what every prior goes through; here its mathematics is done a second time, without it.
"""

from itertools import pairwise

import numpy as np
import torch
from scipy.stats import chisquare
from torch.func import functional_call

from cases import Case, make_encoder, over_cases


@over_cases
def test_log_prob_is_the_reference(case: Case):
    prior, encoder = case.build().double(), make_encoder().double()
    z = 3 * torch.randn(20, 2, dtype=torch.float64)
    for context in case.contexts():
        given = () if context is None else (context,)
        expected = [[case.reference(prior, encoder, point, *given)] for point in z.tolist()]
        p = prior(encoder, context)
        actual = p.log_prob(z.unsqueeze(1) if p.batch_shape else z)
        assert actual.shape == (20, *p.batch_shape)
        expected = torch.tensor(expected, dtype=torch.float64).view_as(actual)
        torch.testing.assert_close(actual, expected)


@over_cases
def test_density_integrates_to_one(case: Case):
    p = case.distribution()
    z = p.sample((10_000,))
    centre, reach = z.mean(0), 12 * z.std(0)
    axis = torch.linspace(-1, 1, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(centre[0] + reach[0] * axis, centre[1] + reach[1] * axis)
    cell = (reach * (axis[1] - axis[0])).prod()
    total = p.log_prob(grid).exp().sum() * cell
    assert abs(total.item() - 1) < case.kinks


@over_cases
def test_gradients_in_z_and_every_parameter(case: Case):
    prior, encoder = case.build().double(), make_encoder().double()
    names = [name for name, _ in prior.named_parameters()]
    z = torch.randn(4, max(1, len(case.labels)), 2, dtype=torch.float64, requires_grad=True)
    values = [p.detach().clone().requires_grad_() for p in prior.parameters()]

    def log_prob(z, *values):
        given = (encoder, case.context)
        return functional_call(prior, dict(zip(names, values, strict=True)), given).log_prob(z)

    assert torch.autograd.gradcheck(log_prob, (z, *values))


@over_cases
def test_the_encoder_learns_through_the_priors_that_encode(case: Case):
    prior, encoder = case.build().double(), make_encoder().double()
    z = torch.randn(4, max(1, len(case.labels)), 2, dtype=torch.float64, requires_grad=True)
    prior(encoder, case.context).log_prob(z).sum().backward()
    weight = encoder.network.layers[0].weight
    if not case.encodes:
        assert weight.grad is None
        return
    step = 1e-6
    with torch.no_grad():
        weight[0, 0] += step
        above = prior(encoder, case.context).log_prob(z).sum()
        weight[0, 0] -= 2 * step
        below = prior(encoder, case.context).log_prob(z).sum()
    assert weight.grad[0, 0] != 0
    torch.testing.assert_close(
        weight.grad[0, 0], (above - below) / (2 * step), rtol=1e-5, atol=1e-8
    )


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
