"""The terms of the ELBO of linear Gaussian models, whose exact values are known."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from linear import Linear, linear_vae, normal_data
from priory import FlowPrior, GaussianMixture, MoGPrior, StandardPrior
from priory.distributions import marginals_of
from priory.evaluation import surgery

MIX = torch.tensor([[0.9, 0.0, 0.0], [0.6, 0.7, 0.0]])  # of x ~ N(0, I) into correlated z
SCALE = 0.5
COVARIANCE = MIX @ MIX.mT + SCALE**2 * torch.eye(2)  # of q(z), of ever more data
Q = MultivariateNormal(torch.zeros(2), COVARIANCE)


def near(estimate, value, slack=0.01):
    assert abs(estimate.value - value) < 4 * estimate.standard_error + slack
    assert estimate.standard_error < 0.05


def test_the_terms_are_those_of_the_gaussians():
    x = normal_data(3000)
    found = surgery(linear_vae(StandardPrior(2), Linear(MIX, SCALE)), x, 2, dimension_samples=6000)
    information = 0.5 * math.log(torch.det(COVARIANCE) / SCALE**4)
    assert information < found.ceiling - 4  # well below log N
    near(found.mutual_information, information)
    p = MultivariateNormal(torch.zeros(2), torch.eye(2))
    near(found.marginal_kl, float(kl_divergence(Q, p)))
    assert not found.at_the_ceiling
    parts = found.dimensions
    variance = COVARIANCE.diagonal()
    near(parts.total_correlation, 0.5 * float(variance.log().sum() - torch.logdet(COVARIANCE)))
    exact = 0.5 * (variance - 1 - variance.log())
    assert ((parts.kl - exact).abs() < 4 * parts.kl_standard_error + 0.01).all()
    assert parts.prior_dependence.value == pytest.approx(0, abs=1e-5)


def test_the_terms_add_up_for_every_prior():
    prior = MoGPrior(2, 3, spread=1.0)
    found = surgery(
        linear_vae(prior, Linear(MIX, SCALE)), normal_data(200), 3, dimension_samples=600
    )
    rest = found.reconstruction.value - found.mutual_information.value - found.marginal_kl.value
    assert found.elbo.value == pytest.approx(rest, abs=1e-4)
    parts = found.dimensions  # here of all samples
    whole = parts.total_correlation.value + float(parts.kl.sum()) - parts.prior_dependence.value
    assert whole == pytest.approx(found.marginal_kl.value, abs=1e-4)
    assert abs(parts.prior_dependence.value) > 0.01
    flow = surgery(linear_vae(FlowPrior(2), Linear(MIX, SCALE)), normal_data(20)).dimensions
    assert flow.kl is None
    assert math.isfinite(flow.total_correlation.value)


def test_posteriors_that_do_not_overlap_are_at_the_ceiling():
    vae = linear_vae(StandardPrior(2), Linear(MIX, 1e-3))
    found = surgery(vae, normal_data(50), 2, dimension_samples=0)
    assert found.mutual_information.value == pytest.approx(math.log(50), abs=1e-3)
    assert found.at_the_ceiling
    assert found.dimensions is None


def test_the_standard_error_is_that_of_runs():
    vae, x = linear_vae(StandardPrior(2), Linear(MIX, SCALE)), normal_data(30)
    runs = [surgery(vae, x, 4, dimension_samples=0).marginal_kl for _ in range(60)]
    spread = torch.tensor([run.value for run in runs]).std().item()
    assert spread == pytest.approx(sum(run.standard_error for run in runs) / 60, rel=0.3)


def test_marginals_are_those_of_the_mixture():
    p = GaussianMixture(torch.randn(3), torch.randn(3, 2), torch.rand(3, 2) + 0.5)
    z = torch.tensor([0.3, -1.0])
    for dim in range(2):
        expected = sum(
            math.exp(p.logits[k])
            * math.exp(-0.5 * ((z[dim] - p.loc[k, dim]) / p.scale[k, dim]) ** 2)
            / (p.scale[k, dim] * math.sqrt(2 * math.pi))
            for k in range(3)
        )
        density = marginals_of(p).log_prob(z.unsqueeze(-1))[dim]
        assert float(density) == pytest.approx(math.log(expected), abs=1e-5)
    assert marginals_of(p.expand((4,))) is None
    assert marginals_of(FlowPrior(2)()) is None
