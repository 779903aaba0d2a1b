"""The kit's own statistics, against scipy and closed forms."""

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Independent, MultivariateNormal, Normal

from priory.testing import p_values
from priory.testing.checks.stein import stein_kernel
from priory.testing.mass import cluster, mass_of
from priory.testing.mixture_fit import fit_mixture


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


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_mass_of_a_gaussian(latent_dim: int):
    factor = torch.eye(latent_dim).double() + 0.3
    p = MultivariateNormal(torch.ones(latent_dim).double(), scale_tril=factor.tril())
    z = p.sample((4000,))
    mass = mass_of(p, z, cluster(z, 8, 0), 0)
    assert not mass.trouble
    assert mass.total == pytest.approx(1, abs=max(1e-9, 5 * mass.error))
    mean = (mass.weight.unsqueeze(-1) * mass.z).sum(0)
    torch.testing.assert_close(mean, p.mean, atol=max(1e-9, 10 * mass.error), rtol=0)


def test_mass_says_when_a_grid_is_too_coarse():
    p = Independent(Normal(torch.zeros(2).double(), torch.tensor([1e-5, 1.0]).double()), 1)
    wide = torch.randn(100, 2).double()
    assert mass_of(p, wide, cluster(wide, 2, 0), 0).trouble


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
