"""The bounds, the model around them, and the numbers that judge it."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import kl_divergence

from cases import DATA_SHAPE, Case, CountingEncoder, make_encoder, over_cases
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    CategoricalDecoder,
    Context,
    FactorizedGaussianMixture,
    GaussianEncoder,
    MoGPrior,
    StandardPrior,
    VampPrior,
    aggregated_posterior,
    elbo,
    log_weights,
    loss,
)
from priory.evaluation import components_in_use, evaluate, exhibit, negative_log_likelihood

X = torch.tensor([[0.0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]])


def make_vae(prior: nn.Module) -> VAE:
    return VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), prior)


@over_cases
def test_the_elbo_is_its_equation(case: Case):
    vae, context = make_vae(case.build()), case.context_for(3)
    torch.manual_seed(1)
    terms = elbo(vae, X, num_samples=3, context=context)
    torch.manual_seed(1)
    q, p = vae.encoder(X), vae.prior(vae.encoder, context)
    z = q.rsample((3,))
    by_hand = vae.decoder(z).log_prob(X) + p.log_prob(z) - q.log_prob(z)
    torch.testing.assert_close(terms.elbo, by_hand.mean(0))
    torch.testing.assert_close(terms.reconstruction, vae.decoder(z).log_prob(X).mean(0))
    torch.manual_seed(1)
    torch.testing.assert_close(log_weights(vae, X, 3, context=context), by_hand)
    torch.manual_seed(1)
    expected = (0.3 * terms.rate - terms.reconstruction).mean()
    actual = loss(vae, X, num_samples=3, beta=0.3, context=context)
    torch.testing.assert_close(actual, expected)


@over_cases
def test_each_example_and_each_pseudo_input_is_encoded_once_a_step(case: Case):
    vae = make_vae(case.build())
    vae.encoder = CountingEncoder()
    loss(vae, X, num_samples=4, context=case.context_for(3)).backward()
    assert sorted(vae.encoder.calls) == sorted([3] + [case.encodes] * bool(case.encodes))


def test_the_encoder_is_trained_by_both_ways():
    vae = make_vae(VampPrior(5, DATA_SHAPE))
    weight = vae.encoder.network.layers[0].weight

    def gradient(prior) -> torch.Tensor:
        torch.manual_seed(1)
        vae.prior = prior
        return torch.autograd.grad(loss(vae, X), weight)[0]

    with torch.no_grad():
        frozen = vae.prior(vae.encoder)  # the same density, cut off from the encoder

    class Frozen(nn.Module):
        def forward(self, encoder, context=None):
            return frozen

    vamp = vae.prior
    assert (gradient(vamp) - gradient(Frozen())).abs().max() > 1e-4


def test_the_sampled_rate_tends_to_the_exact_one():
    vae = make_vae(StandardPrior(2))
    exact = elbo(vae, X, kl="exact").rate
    torch.testing.assert_close(exact, kl_divergence(vae.encoder(X), StandardPrior(2)()))
    torch.testing.assert_close(elbo(vae, X, 20_000).rate, exact, rtol=0.05, atol=0.02)
    with pytest.raises(NotImplementedError):
        elbo(make_vae(MoGPrior(2, 3)), X, kl="exact")


def test_a_context_reaches_every_module():
    seen = []

    class Watching(nn.Module):
        num_labels = 3

        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, argument, context=None):
            seen.append(context)
            return self.module(argument)

    plain = make_vae(StandardPrior(2))
    vae = VAE(*(Watching(part) for part in (plain.encoder, plain.decoder, plain.prior)))
    context = Context(index=torch.arange(3))
    elbo(vae, X, context=context)
    assert seen == [context] * 3


def make_one_dimensional_vae() -> VAE:
    torch.manual_seed(2)
    encoder = GaussianEncoder(MLP(DATA_SHAPE, (2,), (8,)))
    vae = VAE(encoder, BernoulliDecoder(MLP((1,), DATA_SHAPE, (8,))), MoGPrior(1, 3, spread=2.0))
    with torch.no_grad():
        for weight in vae.decoder.parameters():
            weight.mul_(3)
    return vae


def test_the_nll_is_the_integral_over_z():
    vae = make_one_dimensional_vae()
    with torch.no_grad():
        z = torch.linspace(-12, 12, 20_001).view(-1, 1, 1)
        p = vae.prior(None)
        joint = vae.decoder(z).log_prob(X) + p.log_prob(z)
        exact = -(joint.double().logsumexp(0) + math.log(24 / 20_000))
    nll = negative_log_likelihood(vae, X, num_samples=20_000)
    torch.testing.assert_close(nll.per_example.double(), exact, atol=0.03, rtol=0)
    assert nll.standard_error == pytest.approx(nll.per_example.std().item() / 3**0.5)
    bound = elbo(vae, X, num_samples=2000).elbo
    assert (bound < -exact + 0.01).all()


def test_the_nll_does_not_depend_on_the_blocks():
    vae, copies = make_one_dimensional_vae(), 30  # in blocks of different sizes
    alone = negative_log_likelihood(vae, X, num_samples=3000)
    together = negative_log_likelihood(vae, X.repeat(copies, 1), num_samples=3000)
    expected = alone.per_example.repeat(copies)
    torch.testing.assert_close(together.per_example, expected, atol=0.1, rtol=0)


def test_evaluation_repeats_itself_and_leaves_the_generator_alone():
    vae = make_vae(VampPrior(5, DATA_SHAPE))
    state = torch.get_rng_state()
    first, second = evaluate(vae, X, 16, seed=3), evaluate(vae, X, 16, seed=3)
    assert first == second
    assert first != evaluate(vae, X, 16, seed=4)
    assert first.elbo == pytest.approx(first.reconstruction - first.rate, abs=1e-5)
    assert torch.get_rng_state().equal(state)
    assert 1 <= first.components_in_use <= 5
    assert evaluate(make_vae(StandardPrior(2)), X, 16).components_in_use is None


def test_components_in_use_of_a_factorized_mixture_counts_dimensions_alike():
    loc = 50 * torch.arange(4.0).view(4, 1).expand(4, 2)
    p = FactorizedGaussianMixture(torch.zeros(4), loc, torch.ones(4, 2))
    assert components_in_use(p, loc) == pytest.approx(4)
    assert components_in_use(p, loc[[0, 1]].fill_diagonal_(50.0)) == pytest.approx(2**0.811278)


def test_an_exhibit_shows_pseudo_inputs_by_weight():
    vae = make_vae(VampPrior(5, DATA_SHAPE))
    with torch.no_grad():
        vae.prior.logits.copy_(torch.tensor([0.0, 3, 1, 2, -1]))
    shown = exhibit(vae, X, num_samples=7)
    assert shown.weights.diff().le(0).all()
    assert shown.pseudo_inputs[0].equal(vae.prior.pseudo_inputs[1])
    assert shown.samples.shape == (7, 4)
    assert exhibit(make_vae(StandardPrior(2)), X).pseudo_inputs is None


def test_the_aggregated_posterior_is_the_mean_of_posteriors():
    encoder = make_encoder()
    z = torch.randn(6, 2)
    q = aggregated_posterior(encoder, X, batch_size=2)
    parts = torch.stack([encoder(x.unsqueeze(0)).log_prob(z) for x in X])
    torch.testing.assert_close(q.log_prob(z), parts.exp().mean(0).log())
    assert not q.loc.requires_grad
    with pytest.raises(ValueError, match="at least one example"):
        aggregated_posterior(encoder, X[:0])


@pytest.mark.parametrize("num_values", [2, 5])
def test_a_vae_samples_reconstructs_and_encodes(num_values):
    encoder = GaussianEncoder(MLP((3, 3), (4,)), data_range=(0, num_values - 1))
    if num_values == 2:
        decoder = BernoulliDecoder(MLP((2,), (3, 3)))
    else:
        decoder = CategoricalDecoder(MLP((2,), (3, 3, num_values)))
    vae = VAE(encoder, decoder, MoGPrior(2, 3))
    x = torch.randint(num_values, (6, 3, 3)).float()
    assert vae.encode(x).equal(encoder(x).mean)
    assert vae.reconstruct(x).shape == x.shape
    samples = vae.sample(500)
    assert samples.shape == (500, 3, 3)
    assert set(samples.unique().tolist()) == set(range(num_values))
    assert vae.posterior(x).batch_shape == (6,)
    assert vae.likelihood(torch.zeros(4, 6, 2)).batch_shape == (4, 6)


def test_data_outside_the_support_are_refused_in_your_own_loop():
    vae = VAE(make_encoder(), CategoricalDecoder(MLP((2,), (4, 17))), StandardPrior(2))
    with pytest.raises(ValueError, match="support"):
        elbo(vae, torch.full((2, 4), 17.0))
    with pytest.raises(ValueError, match="support"):
        elbo(make_vae(StandardPrior(2)), torch.full((2, 4), 0.3))
    with pytest.raises(ValueError, match=r"expected inputs of shape"):
        elbo(make_vae(StandardPrior(2)), torch.zeros(2, 5))
    with pytest.raises(ValueError, match="at least one sample"):
        elbo(make_vae(StandardPrior(2)), X, num_samples=0)
