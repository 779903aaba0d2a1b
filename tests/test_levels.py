"""Several levels of latents, against a linear Gaussian hierarchy of which everything is known."""

import math
from collections import Counter

import pytest
import torch
from torch.distributions import Normal

from levels import data_distribution, exact_terms, hierarchical_vae, ladder_vae
from priory import (
    MLP,
    VAE,
    Context,
    GaussianEncoder,
    HierarchicalPrior,
    MoGPrior,
    elbo,
    importance_weighted_loss,
    load,
    log_weights,
    loss,
    make_prior,
    prior_classes,
    save,
)
from priory.distributions import detached, rates, terms
from priory.evaluation import evaluate, exhibit, negative_log_likelihood, top_level
from priory.likelihoods import choose_likelihood
from priory.networks import LevelGaussian
from priory.report.entries import Entry
from priory.report.verdict import verdict
from priory.training import TrainingSettings, make_networks
from priory.training.epoch import SharedNoise

X = torch.tensor([[0.5, -1.0, 0.8], [1.2, 0.1, -0.4]]).double()
MANY = 40_000


@pytest.mark.parametrize("vae", [hierarchical_vae(), ladder_vae()], ids=["own", "ladder"])
def test_the_exact_posterior_leaves_no_gap(vae):
    weight = vae.decoder.matrix.float()
    truth = data_distribution(weight).log_prob(X)
    weights = log_weights(vae, X, 7)
    torch.testing.assert_close(weights, truth.expand(7, 2), rtol=0, atol=1e-6)
    nll = negative_log_likelihood(vae, X, 16)
    torch.testing.assert_close(nll.per_example, -truth, rtol=0, atol=1e-6)


def test_the_nll_is_the_truth_for_a_posterior_that_is_not_exact():
    vae = hierarchical_vae(moved=0.1)
    nll = negative_log_likelihood(vae, X, 2000)
    torch.testing.assert_close(nll.per_example, -data_distribution().log_prob(X), rtol=0, atol=0.02)
    assert (elbo(vae, X, 500).elbo < -nll.per_example - 0.005).all()


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


def test_with_several_samples_the_doubly_reparameterised_gradient_has_the_mean_of_the_plain_one():
    vae, means, spread = hierarchical_vae(moved=0.2), [], []
    for kind in ("reparameterised", "doubly-reparameterised"):
        torch.manual_seed(0)
        draws = [
            gradients(importance_weighted_loss(vae, X.repeat(1000, 1), 3, gradient=kind), vae)
            for _ in range(15)
        ]
        means.append(torch.stack(draws).mean(0))
        spread.append(torch.stack(draws).var(0) / 15)
    error = (spread[0] + spread[1]).sqrt() + 1e-9
    assert ((means[0] - means[1]).abs() < 5 * error).all()


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


FACTS = {"data_shape": (4, 4), "data_range": (0, 1), "num_components": 3, "num_labels": 3}
OFTEN = ("VampPrior", "ExemplarPrior", "ConditionalMoGPrior")
NETWORKS = {"mlp": "direct", "gated-mlp": "ladder", "conv": "direct"}


def built(top, network="mlp", sizes=(3, 2), inference="direct") -> VAE:
    """A small model of images of zeros and ones, with labels where the top needs them."""
    likelihood = choose_likelihood(IMAGES)
    networks = make_networks(likelihood, (4, 4), sizes, (6,), network, inference)
    top = make_prior(top, latent_dim=sizes[-1], **FACTS)
    how = {"conditionals": "encoder"} if inference == "ladder" else {"hidden_sizes": (6,)}
    return VAE(*networks, HierarchicalPrior(sizes, top, **how))


IMAGES = torch.arange(16.0 * 12).remainder(3).remainder(2).view(12, 4, 4)
LABELS = Context(labels=torch.arange(12) % 3)


@pytest.mark.parametrize(
    "top",
    [
        pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow)
        for name in prior_classes()
    ],
)
def test_any_prior_stands_at_the_top(top, tmp_path):
    torch.manual_seed(0)
    vae = built(top)
    context = LABELS if vae.needs_labels else Context()
    vae.prior.fit_data(IMAGES, vae.encoder, context)
    training = Context(index=torch.arange(12), labels=context.labels)
    loss(vae, IMAGES, gradient="path", context=training).backward()
    learned = [p for p in vae.parameters() if p.requires_grad]
    assert sum(p.grad is not None and bool(p.grad.any()) for p in learned) > 0.8 * len(learned)
    vae.eval()
    save(vae, tmp_path, exemplars=True)
    again, z = load(tmp_path), vae.prior_distribution(context).sample()
    z = z.expand(12, -1)
    one, other = (m.prior_distribution(context).log_prob(z) for m in (vae, again))
    torch.testing.assert_close(one, other)
    scores = evaluate(vae, IMAGES, 4, context=context)
    assert len(scores.record["level_rates"]) == 2
    assert sum(scores.record["level_rates"]) == pytest.approx(scores.rate, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("network", "inference"), NETWORKS.items())
def test_three_levels_of_any_network_run_each_network_once_a_step(network, inference):
    torch.manual_seed(0)
    vae = built("vamp", network, (4, 3, 2), inference)
    calls = Counter()
    shared = {id(m) for level in vae.encoder.generative or () for m in level.module.modules()}
    for part in (vae.encoder, vae.decoder, vae.prior):
        for name, module in part.named_modules():
            if not list(module.children()) and id(module) not in shared:
                key = (type(part).__name__, name)
                module.register_forward_hook(lambda *_, key=key: calls.update([key]))
    loss(vae, IMAGES, 5).backward()
    pseudo_inputs = {key for key, count in calls.items() if count == 2}
    assert max(calls.values()) == 2  # the data, and the pseudo-inputs on their way to the top
    top = {key for key in calls if key[0].endswith("Encoder")}
    assert pseudo_inputs < top
    joint = {key for key in calls if "below" in key[1]}
    assert not joint & pseudo_inputs
    assert all(p.grad is not None for p in vae.parameters())
    samples = vae.sample(7)
    assert samples.shape == (7, 4, 4)


@pytest.mark.parametrize("inference", ["direct", "ladder"])
def test_shares_of_a_batch_draw_its_noise(inference):
    vae = built("standard", sizes=(4, 3, 2), inference=inference)

    def terms_of(part, start=0):
        torch.manual_seed(1)
        return elbo(vae, part, 3, sampler=SharedNoise(start, total=12)).rates

    shares = torch.cat((terms_of(IMAGES[:5]), terms_of(IMAGES[5:], start=5)), 1)
    torch.testing.assert_close(shares, terms_of(IMAGES), rtol=1e-4, atol=1e-5)


def test_weights_and_free_bits_are_those_of_each_level():
    vae = built("standard")

    def value(**options):
        torch.manual_seed(1)
        return loss(vae, IMAGES, **options)

    torch.manual_seed(1)
    found = elbo(vae, IMAGES)
    one, two = found.rates.mean(1)
    distortion = -found.reconstruction.mean()
    torch.testing.assert_close(value(beta=[0.5, 2.0]), distortion + 0.5 * one + 2 * two)
    bits = [0.0, two.item() + 1]
    torch.testing.assert_close(value(free_bits=bits), distortion + one + two.item() + 1)
    with pytest.raises(ValueError, match="one for each of 2 levels, got 3"):
        value(beta=[1.0, 1.0, 1.0])
    settings = TrainingSettings(warmup_epochs=[1, 3])
    assert [settings.beta_at(epoch) for epoch in (0, 3)] == [(0.5, 0.25), (1.0, 1.0)]


def test_a_dead_level_is_named_with_what_to_do():
    vae = built("standard")
    with torch.no_grad():
        for parameter in vae.encoder.network.parameters():
            parameter.zero_()
    scores = evaluate(vae.eval(), IMAGES, 4)
    entry = Entry("two", scores, exhibit(vae, IMAGES), None, None)
    said = " ".join(verdict([entry]).reasons)
    assert "The top level is dead" in said
    assert "--free-bits [0,1]" in said
    assert scores.record["level_active_units"][1] == 0
    assert exhibit(vae, IMAGES).z.shape == (12, 2)
    assert top_level(vae).encode(IMAGES).shape == (12, 2)


def test_what_does_not_fit_is_refused_in_a_sentence():
    flat = built("standard").decoder
    with pytest.raises(ValueError, match=r"top prior with 2 dimensions.*MoGPrior with 3"):
        HierarchicalPrior((3, 2), MoGPrior(3, 4))
    with pytest.raises(ValueError, match=r"sizes of two levels or more, got \(3,\)"):
        HierarchicalPrior((3,))
    vae = VAE(built("standard").encoder, flat, HierarchicalPrior((2, 3)))
    with pytest.raises(ValueError, match=r"levels of sizes \(2, 3\).*got \(3, 2\)"):
        loss(vae, IMAGES)
    vae = built("vamp")
    vae.encoder = GaussianEncoder(MLP((4, 4), (10,)))
    with pytest.raises(ValueError, match=r"encoder with 2 levels.*got GaussianEncoder with one"):
        loss(vae, IMAGES)
    with pytest.raises(ValueError, match="prior with one level at the top"):
        HierarchicalPrior((3, 2), HierarchicalPrior((1, 1)))
    with pytest.raises(ValueError, match="shares its levels"):
        HierarchicalPrior((3, 2), conditionals="encoder")(built("standard").encoder)


def test_scales_of_levels_stay_bounded_far_from_all_data():
    level = LevelGaussian(MLP((2,), (2 * 3,), (8,)))
    p = level(1e6 * torch.randn(50, 2)).base_dist
    assert p.scale.min() >= math.exp(-5) * (1 - 1e-6)
    assert p.scale.max() <= math.exp(5) * (1 + 1e-6)
    assert p.scale.max() / p.scale.min() > 1000  # far away they would be anything
