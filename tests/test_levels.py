"""Several levels of latents, against a linear Gaussian hierarchy of which everything is known."""

import math

import pytest
import torch
from torch.distributions import Normal

from levels import (
    data_distribution,
    exact_terms,
    hierarchical_vae,
    ladder_vae,
)
from priory import elbo, importance_weighted_loss, log_weights, loss
from priory.distributions import detached, rates, terms
from priory.evaluation import negative_log_likelihood

X = torch.tensor([[0.5, -1.0, 0.8], [1.2, 0.1, -0.4]]).double()
MANY = 40_000


@pytest.mark.parametrize("vae", [hierarchical_vae(), ladder_vae()], ids=["own", "ladder"])
def test_the_exact_posterior_leaves_no_gap(vae):
    weight = vae.decoder.matrix.float()
    truth = data_distribution(weight).log_prob(X)
    weights = log_weights(vae, X, 7)
    torch.testing.assert_close(weights, truth.expand(7, 2), rtol=0, atol=1e-6)
    nll = negative_log_likelihood(vae, X, 16)
    torch.testing.assert_close(nll.per_datum, -truth, rtol=0, atol=1e-6)


def test_the_nll_is_the_truth_for_a_posterior_that_is_not_exact():
    vae = hierarchical_vae(moved=0.1)
    nll = negative_log_likelihood(vae, X, 5000)
    torch.testing.assert_close(nll.per_datum, -data_distribution().log_prob(X), rtol=0, atol=0.02)
    assert (elbo(vae, X, 1000).elbo < -nll.per_datum - 0.005).all()


def test_terms_of_the_elbo_are_those_of_the_equations():
    vae = hierarchical_vae(moved=0.2)
    torch.manual_seed(0)
    estimate, (reconstruction, *levels) = elbo(vae, X, MANY), exact_terms(vae, X)
    torch.testing.assert_close(estimate.rates, torch.stack(levels), rtol=0, atol=0.03)
    torch.testing.assert_close(estimate.reconstruction, reconstruction, rtol=0, atol=0.1)
    torch.testing.assert_close(estimate.rate, estimate.rates.sum(0))
    q, p = vae.posterior(X), vae.prior_distribution()
    z = q.sample((5,))
    torch.testing.assert_close(sum(terms(q, z)), q.log_prob(z))
    torch.testing.assert_close(sum(terms(p, z)), p.log_prob(z))
    for rate, of_q, of_p in zip(rates(q, p, z), terms(q, z), terms(p, z), strict=True):
        torch.testing.assert_close(rate, of_q - of_p)
    one, two = (level.squeeze(-1) for level in p.split(z))
    torch.testing.assert_close(terms(p, z)[0], Normal(0.7 * two, 0.8).log_prob(one))
    torch.testing.assert_close(terms(p, z)[1], Normal(0.0, 1.0).log_prob(two).double())


def parameters_of(vae) -> list:
    return [*vae.encoder.parameters(), *vae.prior.parameters()]


def gradients(value, vae) -> torch.Tensor:
    found = torch.autograd.grad(value, parameters_of(vae), materialize_grads=True)
    return torch.cat([part.flatten() for part in found])


OBJECTIVES = {
    "reparameterised": lambda vae, x: loss(vae, x),
    "path": lambda vae, x: loss(vae, x, gradient="path"),
    "doubly": lambda vae, x: importance_weighted_loss(vae, x, 1),
}


def draws_of_gradients(vae, name, x, count) -> torch.Tensor:
    """Return gradients of one example, each for other noise, `(count, parameters)`."""
    return torch.stack([gradients(OBJECTIVES[name](vae, x), vae) for _ in range(count)])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_have_the_mean_of_the_equations(name):
    vae = hierarchical_vae(moved=0.15)
    reconstruction, *levels = exact_terms(vae, X)
    exact = gradients((sum(levels) - reconstruction).mean(), vae)
    torch.manual_seed(0)
    draws = draws_of_gradients(vae, name, X.repeat(2000, 1), 20)
    off = (draws.mean(0) - exact).abs() / (draws.std(0) / math.sqrt(20) + 1e-9)
    off[-3] = 0.0  # how the prior's scale goes with z2, which the equations take as not at all
    assert off.max() < 5


def test_finite_differences_agree_with_the_gradients():
    vae = hierarchical_vae(moved=0.15)
    torch.manual_seed(1)
    found = gradients(loss(vae, X, 3), vae)
    step, numeric = 1e-6, []
    with torch.no_grad():
        for parameter in parameters_of(vae):
            for entry in parameter.view(-1).split(1):
                values = []
                for move in (step, -2 * step):
                    entry += move
                    torch.manual_seed(1)
                    values.append(loss(vae, X, 3))
                entry += step
                numeric.append((values[0] - values[1]) / (2 * step))
    torch.testing.assert_close(found, torch.stack(numeric), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("vae", [hierarchical_vae(), ladder_vae()], ids=["own", "ladder"])
def test_along_the_path_no_noise_is_left_at_the_exact_posterior(vae):
    torch.manual_seed(0)
    of_prior = {id(p) for module in vae.encoder.children() for p in module.parameters()}
    of_prior &= {id(p) for level in vae.encoder.generative or () for p in level.module.parameters()}
    of_posterior = [
        torch.full((p.numel(),), id(p) not in of_prior) for p in vae.encoder.parameters()
    ]
    number = sum(map(len, of_posterior))
    spread = {
        name: draws_of_gradients(vae, name, X, 10).std(0)[:number][torch.cat(of_posterior)]
        for name in OBJECTIVES
    }
    assert spread["path"].max() < 1e-5
    assert spread["doubly"].max() < 1e-5
    assert spread["reparameterised"].max() > 0.1


def test_the_detached_posterior_keeps_the_path_through_the_level_above():
    vae = hierarchical_vae(moved=0.2)
    q = vae.posterior(X)
    z = q.sample().requires_grad_()
    (through,) = torch.autograd.grad(detached(q).log_prob(z).sum(), z)
    (whole,) = torch.autograd.grad(q.log_prob(z).sum(), z)
    torch.testing.assert_close(through, whole)
    given, (one, two) = q.below[0](z[:, 1:]), q.split(z)
    cut = (detached(given).log_prob(one) + q.top.log_prob(two)).sum()
    (without,) = torch.autograd.grad(cut, z)
    assert (without - whole)[:, 1].abs().min() > 0.1
    assert not detached(q).log_prob(z.detach()).requires_grad
    torch.testing.assert_close(detached(q).log_prob(z), q.log_prob(z))
