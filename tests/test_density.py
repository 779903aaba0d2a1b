"""Densities against independent references, and against quadrature."""

import torch

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
