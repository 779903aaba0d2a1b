"""The resampled prior: its normaliser, its gradient and its truncation."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

import priory
from cases import DATA_SHAPE, make_encoder
from priory import MLP, VAE, BernoulliDecoder, MoGPrior, ResampledPrior, make_prior
from priory.distributions import ResampledDistribution
from priory.evaluation import Exhibit, Scores, evaluate
from priory.report.entries import Entry, notes
from priory.testing import check_prior

MIXTURE = {"kind": "MoGPrior", "num_components": 3, "spread": 1.5}


def steep(proposal="StandardPrior", **settings) -> ResampledPrior:
    """A prior whose acceptance goes from zero to one within the proposal."""
    torch.manual_seed(0)
    prior = ResampledPrior(2, proposal, hidden_sizes=(8,), **settings).double()
    with torch.no_grad():
        prior.network.layers[0].weight.mul_(2)
        prior.network.layers[-1].weight.mul_(20)
    return prior


def rate_by_quadrature(prior: ResampledPrior, side: int = 801) -> torch.Tensor:
    """Return Z, the integral of a(z) π(z) over the plane, with its graph."""
    line = torch.linspace(-8, 8, side, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    cell = float(line[1] - line[0]) ** 2
    density = prior.proposal(make_encoder().double()).log_prob(grid).exp()
    return (prior.acceptance(grid).sigmoid() * density).sum() * cell


@pytest.mark.parametrize("proposal", ["StandardPrior", MIXTURE])
@torch.no_grad()
def test_the_normaliser_is_the_integral_within_its_error(proposal):
    prior = steep(proposal).eval()
    p, exact = prior(), rate_by_quadrature(prior).log()
    assert 0.2 < exact.exp() < 0.8
    assert 0 < p.log_normaliser_standard_error < 0.01
    assert abs(p.log_normaliser - exact) < 4 * p.log_normaliser_standard_error
    assert prior().log_normaliser.equal(p.log_normaliser)
    # In training it is drawn anew, and as good as its own error says.
    prior.train()
    calls = [prior() for _ in range(200)]
    gaps = torch.stack(
        [(p.log_normaliser - exact) / p.log_normaliser_standard_error for p in calls]
    )
    assert abs(gaps.mean()) < 4 / math.sqrt(200)
    assert gaps.std().item() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("proposal", ["StandardPrior", MIXTURE])
def test_the_gradient_of_the_normaliser_is_that_of_the_integral(proposal):
    prior = steep(proposal, num_samples=400_000, truncation=20)
    parameters = dict(prior.named_parameters())
    rate = rate_by_quadrature(prior, 401)
    expected = torch.autograd.grad(torch.log1p(-rate), parameters.values())
    actual = torch.autograd.grad(prior()._log_rejection, parameters.values())
    for name, a, b in zip(parameters, actual, expected, strict=True):
        assert b.abs().max() > 0.05, name
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.006)


def test_the_error_of_the_density_is_that_of_its_normaliser():
    proposal = Independent(Normal(torch.zeros(2).double(), torch.ones(2).double()), 1)
    z = torch.randn(6, 2, dtype=torch.float64)

    def make(count):
        noise = proposal.sample((count,))
        return ResampledDistribution(proposal, lambda z: 3 * z[..., 0] - 1, 10, noise)

    densities = torch.stack([make(1000).log_prob(z) for _ in range(400)])
    expected = make(1000).log_prob_standard_error(z)
    torch.testing.assert_close(densities.std(0), expected, rtol=0.2, atol=0)


def test_two_trials_are_a_mixture_with_the_proposal():
    prior = steep(truncation=2).eval()
    p, z = prior(), torch.randn(7, 2, dtype=torch.float64)
    rate, chance = p.log_normaliser.exp(), prior.acceptance(z).sigmoid()
    expected = p.proposal.log_prob(z) + (chance + 1 - rate).log()
    torch.testing.assert_close(p.log_prob(z), expected)


@pytest.mark.parametrize("logit", [-300.0, 300.0])
def test_nothing_overflows_where_all_or_nothing_is_accepted(logit):
    proposal = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    weight = torch.tensor(logit, requires_grad=True)
    noise = proposal.sample((50,))
    p = ResampledDistribution(proposal, lambda z: weight.expand(z.shape[:-1]), 100, noise)
    z = torch.randn(5, 2)
    p.log_prob(z).sum().backward()
    torch.testing.assert_close(p.log_prob(z), proposal.log_prob(z))
    assert weight.grad.isfinite()
    assert p.sample((4,)).isfinite().all()


def test_a_batch_of_proposals_is_resampled_example_by_example():
    proposal = Independent(Normal(torch.tensor([[3.0, 0], [5, 0]]), torch.ones(2, 2)), 1)
    p = ResampledDistribution(
        proposal, lambda z: 20 * (z[..., 0] - 5), 1000, proposal.sample((100_000,))
    )
    z = p.sample((2000,))
    assert z.shape == (2000, 2, 2)
    assert z[:, 0, 0].mean().item() == pytest.approx(5.37, abs=0.1)  # 3 + φ(2) / (1 - Φ(2))
    assert z[:, 1, 0].mean().item() == pytest.approx(5 + math.sqrt(2 / math.pi), abs=0.1)
    assert p.log_normaliser[1].exp().item() == pytest.approx(0.5, abs=0.01)
    thrice = p.expand((3, 2)).log_prob(z.unsqueeze(1))
    assert thrice.equal(p.log_prob(z).unsqueeze(1).repeat(1, 3, 1))


def test_the_kit_passes_a_proposal_whose_draws_have_no_gradient():
    def make() -> ResampledPrior:
        return ResampledPrior(2, MoGPrior(2, 3, spread=2.0), hidden_sizes=(8,))

    statistical = {"binned mass", "kernel stein", "independent draws"}  # are in the table's rows
    report = check_prior(make, skip={"compile", "export", *statistical})
    assert report.passed, str(report)


def make_vae(prior: nn.Module) -> VAE:
    return VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), prior).eval()


def test_a_proposal_that_needs_the_encoder_takes_the_facts_of_the_model(tmp_path):
    facts = {"num_components": 4, "data_shape": DATA_SHAPE, "data_range": (0, 1), "init": "data"}
    prior = make_prior("resampled", latent_dim=2, **facts, proposal="vamp", hidden_sizes=(8,))
    x = torch.rand(6, *DATA_SHAPE)
    vae = make_vae(prior)
    prior.fit_data(x, vae.encoder)
    starts = prior.proposal.pseudo_inputs
    assert (starts.unsqueeze(1) - x).abs().amax(-1).min(-1).values.max() < 1e-5
    p = vae.prior_distribution()
    priory.save(vae, tmp_path)
    z = torch.randn(5, 2)
    assert priory.load(tmp_path).prior_distribution().log_prob(z).equal(p.log_prob(z))


def make_entry(name: str, evaluation: Scores) -> Entry:
    x = torch.zeros(1, 4)
    shown = Exhibit(priory.StandardPrior(2)(), torch.zeros(1, 2), x, x, x, None, None)
    return Entry(name, evaluation, shown, 1, 1.0)


def test_numbers_of_an_estimate_say_so():
    x = torch.randint(2, (9, *DATA_SHAPE)).float()
    evaluation = evaluate(make_vae(steep().float()), x, 16)
    assert 0 < evaluation.prior_standard_error < 0.02
    entry = make_entry("ResampledPrior", evaluation)
    marked = [cell.startswith("≈") for cell in entry.row]
    assert marked[:5] == [False, True, True, False, True]
    assert not any(marked[5:])
    (note,) = notes([evaluation])
    assert f"± {evaluation.prior_standard_error:.2g} nats" in note
    plain = evaluate(make_vae(priory.StandardPrior(2)), x, 16)
    assert plain.prior_standard_error is None
    assert notes([plain]) == []
