"""The kit's own statistics, against scipy and closed forms."""

import math

import pytest
import torch
from scipy import stats
from torch.distributions import (
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    StudentT,
    Uniform,
)

from priory import GaussianMixture
from priory.testing import p_values
from priory.testing.checks.stein import stein_kernel
from priory.testing.clusters import cluster
from priory.testing.free import free
from priory.testing.mass import Mass, mass_of
from priory.testing.mixture_fit import fit_mixture
from priory.testing.stein_moments import of_stein_moments


@pytest.mark.parametrize(("statistic", "degrees"), [(3.0, 2), (60.0, 63), (200.0, 63)])
def test_chi_square(statistic: float, degrees: int):
    expected = stats.chi2.sf(statistic, degrees)
    assert p_values.of_chi_square(statistic, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("power", [1.0, 1.02, 1.05])
def test_kolmogorov_smirnov(power: float):
    u = torch.rand(20_000, 1, dtype=torch.float64) ** power
    expected = stats.kstest(u[:, 0].numpy(), "uniform").pvalue
    assert p_values.of_uniform(u) == pytest.approx(expected, rel=0.05, abs=1e-12)


def test_means_are_z_tests_corrected_for_their_number():
    x = torch.randn(5000, 3, dtype=torch.float64) + torch.tensor([0.0, 0.03, 0.0])
    single = stats.ttest_1samp(x.numpy(), 0.0).pvalue.min()
    assert p_values.of_means(x, 0.0) == pytest.approx(3 * single, rel=0.02)


def test_signs_are_exact_under_exchangeability():
    p = []
    for seed in range(100):
        a, b = torch.randn(2, 30, 2).double()
        p.append(p_values.of_signs(p_values.energy_matrix(a, b), 0.01, seed))
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_energy_sees_a_shift():
    a, b = torch.randn(2, 100, 2).double()
    assert p_values.of_signs(p_values.energy_matrix(a, b + 1), 1e-3, 0) <= 1e-3


def test_stein_kernel_has_mean_zero_under_its_density_and_not_beside_it():
    z = torch.randn(1500, 2).double()
    right, wrong = (stein_kernel(z, -z / s**2).fill_diagonal_(0).mean() for s in (1.0, 1.3))
    assert abs(right) < 0.002
    assert wrong > 0.01


def mass_near(p: Distribution, z: torch.Tensor) -> Mass:
    density = free(p, z[:64])
    u = density.to_free(z)
    return mass_of(density, u, cluster(u, 0), 0)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_mass_of_a_gaussian(latent_dim: int):
    factor = torch.eye(latent_dim).double() + 0.3
    p = MultivariateNormal(torch.ones(latent_dim).double(), scale_tril=factor.tril())
    z = p.sample((4000,))
    mass = mass_near(p, z)
    assert not mass.trouble
    assert mass.total == pytest.approx(1, abs=max(1e-9, 5 * mass.error))
    mean = (mass.weight.unsqueeze(-1) * mass.u).sum(0)
    torch.testing.assert_close(mean, p.mean, atol=max(1e-4, 10 * mass.error), rtol=0)


def two_modes(gap: float, scale: float) -> GaussianMixture:
    loc = torch.tensor([[0.0, 0.0], [gap, 0.0]]).double()
    return GaussianMixture(torch.tensor([0.0, 1.0]).double(), loc, torch.full_like(loc, scale))


@pytest.mark.parametrize(("gap", "scale"), [(1000.0, 1.0), (10.0, 0.001)])
def test_mass_of_narrow_modes_far_apart(gap: float, scale: float):
    p = two_modes(gap, scale)
    mass = mass_near(p, p.sample((4000,)))
    assert not mass.trouble
    assert mass.total == pytest.approx(1, abs=1e-5)
    assert float(mass.weight[mass.u[:, 0] > gap / 2].sum()) == pytest.approx(0.7311, abs=1e-4)


@pytest.mark.parametrize("degrees", [1.0, 1.5])
def test_mass_of_heavy_tails(degrees: float):
    p = Independent(StudentT(torch.full((2,), degrees).double()), 1)
    assert mass_near(p, p.sample((4000,))).total == pytest.approx(1, abs=1e-4)


def test_mass_in_a_box_is_found_inside_it():
    p = Independent(Uniform(torch.zeros(2).double(), torch.ones(2).double()), 1)
    assert mass_near(p, p.sample((4000,))).total == pytest.approx(1, abs=1e-5)


def test_mass_says_when_its_cells_run_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("priory.testing.quadrature.BUDGET", 2**14)
    p = two_modes(1000.0, 0.001)
    assert "too narrow" in mass_near(p, p.sample((4000,))).trouble


def test_draws_from_a_grid_follow_the_density():
    p = Independent(Normal(torch.ones(1).double(), 2.0), 1)
    z = mass_near(p, p.sample((4000,))).draw(5000, seed=0)
    assert stats.kstest(z[:, 0].numpy(), stats.norm(1, 2).cdf).pvalue > 1e-3


def test_two_samples():
    x, y = torch.randn(2, 3000, 1).double()
    expected = stats.ks_2samp(x[:, 0].numpy(), y[:, 0].numpy(), method="asymp").pvalue
    assert p_values.of_two_samples(x, y) == pytest.approx(expected, rel=0.1)
    assert p_values.of_two_samples(x, 1.3 * y) < 1e-6


def test_heavy_tails_are_too_skewed_for_a_mean():
    x = torch.stack([torch.randn(20_000), torch.randn(20_000).exp()], dim=-1).double()
    cauchy = (torch.randn(20_000, 1) / torch.randn(20_000, 1)).double()
    skewed = p_values.skewed(torch.cat([x, cauchy], dim=-1))
    assert skewed.tolist() == [False, False, True]


def test_stein_moments_see_a_scale_in_heavy_tails():
    p = StudentT(torch.tensor(1.0).double())
    z = p.sample((20_000, 2))
    for factor, wrong in ((1.0, False), (0.9, True)):
        u = factor * z
        score = -2 * u / (1 + u.square())
        assert (of_stein_moments(u, score, cluster(u, 0), 0) < 1e-4) is wrong


def test_fit_recovers_a_mixture():
    k = (torch.rand(20_000) < 0.3).long()
    loc, scale = torch.tensor([[0.0, 0.0], [4.0, 1.0]]), torch.tensor([[1.0, 0.5], [0.3, 2.0]])
    fit = fit_mixture(torch.normal(loc[k], scale[k]).double(), seed=0)
    order = fit.loc[:, 0].argsort()
    torch.testing.assert_close(
        fit.weight[order], torch.tensor([0.7, 0.3]).double(), atol=0.02, rtol=0
    )
    torch.testing.assert_close(fit.loc[order], loc.double(), atol=0.1, rtol=0)
    torch.testing.assert_close(fit.scale[order], scale.double(), atol=0.1, rtol=0)
    assert math.isfinite(fit.log_likelihood(torch.zeros(1, 2).double()))
