"""The NLL of a model whose likelihood is known, and what tells how far it can be trusted."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from linear import Linear, data_distribution, exact_encoder, linear_data, linear_vae
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    Context,
    GaussianEncoder,
    GaussianMixture,
    MoGPrior,
    StandardPrior,
    elbo,
)
from priory.evaluation import evaluate, negative_log_likelihood, pareto_k, surgery
from priory.evaluation.nearest_components import nearest_components

X = linear_data(150)


def test_the_nll_is_that_of_the_model():
    nll = negative_log_likelihood(linear_vae(StandardPrior(2)), X, 2000, pareto_data=40)
    exact = -data_distribution().log_prob(X)
    error = nll.effective_sample_size.rsqrt()
    assert ((nll.per_example - exact).abs() < 5 * error).all()
    assert abs(nll.mean - float(exact.mean())) < 4 * float(error.square().sum().sqrt()) / len(X)
    assert nll.standard_error == pytest.approx(float(exact.std()) / len(X) ** 0.5, rel=0.05)
    assert len(nll.pareto_k) == 40
    assert nll.trustworthy, nll.warnings
    # The curve begins at the ELBO of one sample and falls.
    samples, means = zip(*nll.curve, strict=True)
    assert samples == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
    assert means[0] > means[3] > means[-1] - 0.01
    assert means[-1] == pytest.approx(nll.mean, abs=1e-5)


def test_the_effective_sample_size_and_the_curve_are_those_of_the_weights(monkeypatch):
    drawn, likelihood = [], VAE.likelihood

    def watched(self, z, context=None):
        drawn.append(z)
        return likelihood(self, z, context)

    monkeypatch.setattr(VAE, "likelihood", watched)
    vae = linear_vae(StandardPrior(2))
    x = X[:70].double()
    vae.double()
    nll = negative_log_likelihood(vae, x, 53)
    drawn = drawn[1:]  # the first tells what a sample takes
    assert len(drawn) > 2
    sizes = list(dict.fromkeys(z.shape[1] for z in drawn))
    assert len(sizes) > 1
    z = torch.cat([torch.cat([z for z in drawn if z.shape[1] == size]) for size in sizes], 1)
    p, q = vae.prior(None), vae.encoder(x)
    assert z.shape == (53, 70, 2)
    weights = (vae.decoder(z).log_prob(x) + p.log_prob(z) - q.log_prob(z)).exp()
    torch.testing.assert_close(nll.per_example, -weights.mean(0).log())
    size = weights.sum(0).square() / weights.square().sum(0)
    torch.testing.assert_close(nll.effective_sample_size, size)
    assert nll.curve_samples == (1, 2, 5, 10, 20, 26, 50, 53)
    for samples, value in zip(nll.curve_samples, nll.curve_per_example, strict=True):
        torch.testing.assert_close(value, -weights[:samples].mean(0).log())


def test_a_posterior_that_is_too_narrow_is_detected():
    vae = linear_vae(StandardPrior(2), exact_encoder(widen=0.15))
    nll = negative_log_likelihood(vae, X, 400, pareto_data=30)
    assert nll.heavy_share > 0.5
    assert "heavy a tail" in nll.warnings[0]
    assert nll.mean > -float(data_distribution().log_prob(X).mean()) + 0.1
    assert negative_log_likelihood(vae, X, 20, pareto_data=30).pareto_k is None


def test_a_curve_that_still_falls_is_detected():
    class Apart(Linear):  # wide enough for a variance, but far from what it should be
        def forward(self, x, context=None):
            return super().forward(x + 1.5)

    vae = linear_vae(StandardPrior(2), Apart(exact_encoder().matrix, 1.5))
    few, many = (negative_log_likelihood(vae, X, s) for s in (6, 3000))
    truth = -float(data_distribution().log_prob(X).mean())
    assert few.still_to_fall == pytest.approx(few.mean - truth, rel=0.6)
    assert "still falling" in few.warnings[0]
    assert many.trustworthy
    assert many.mean == pytest.approx(truth, abs=0.02)
    single = negative_log_likelihood(vae, X, 1)
    assert math.isnan(single.still_to_fall)
    assert "negative ELBO" in single.warnings[0]


def test_the_shape_of_the_tail_of_a_pareto_distribution():
    shapes = torch.tensor([0.2, 0.5, 0.9])
    exponents = torch.empty(20_000, 3).exponential_()
    estimate = pareto_k(exponents * shapes)  # log of a Pareto variable of shape k
    torch.testing.assert_close(estimate.float(), shapes, atol=0.12, rtol=0)
    equal = torch.full((200, 2), -90.0)
    assert pareto_k(equal + 1e-6 * torch.rand(200, 2)).tolist() == [-math.inf] * 2
    with pytest.raises(ValueError, match="at least 25 samples"):
        pareto_k(torch.zeros(24, 2))


def test_the_nearest_components_are_those_with_the_largest_expected_density():
    torch.manual_seed(0)
    count, kept, dims = 7, 3, 2
    logits, loc = torch.randn(count), 2 * torch.randn(count, dims)
    scale = torch.rand(count, dims) + 0.3
    p = GaussianMixture(logits, loc, scale)
    q = Independent(Normal(torch.randn(4, dims), torch.rand(4, dims) + 0.1), 1)
    near = nearest_components(p, q, kept)
    z = torch.randn(5, 4, dims)
    found = near.log_prob(z)
    weights = logits.double().softmax(0).tolist()
    components = [Normal(loc[k].double(), scale[k].double()) for k in range(count)]
    for n in range(4):
        mean, spread = q.mean[n].double(), q.stddev[n].double()
        fits = [
            math.log(weight) + (own.log_prob(mean) - 0.5 * (spread / own.scale).square()).sum()
            for weight, own in zip(weights, components, strict=True)
        ]
        best = sorted(range(count), key=lambda k: -fits[k])[:kept]
        for s in range(5):
            point = z[s, n].double()
            total = sum(weights[k] * components[k].log_prob(point).sum().exp() for k in best)
            assert found[s, n].item() == pytest.approx(math.log(total), abs=1e-5)
    assert (found <= p.log_prob(z) + 1e-5).all()


def test_leaving_components_out_can_only_raise_the_nll():
    torch.manual_seed(0)
    prior = MoGPrior(latent_dim=2, num_components=12)
    vae = VAE(GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,))), prior)
    x = (torch.rand(6, 9) < 0.5).float()

    def per_example(number):
        torch.manual_seed(1)
        return negative_log_likelihood(vae, x, 64, max_components=number).per_example

    whole = per_example(None)
    assert per_example(12).equal(whole)
    one, some = per_example(1), per_example(6)
    assert (one > some).all()
    assert (some > whole).all()
    with pytest.raises(ValueError, match="at least one component, got max_components=0"):
        per_example(0)


class Images(nn.Module):
    """A decoder that does what the guide asks for and no more: z is `(B, L)`, and it says so."""

    def __init__(self, num_labels=None):
        super().__init__()
        self.num_labels = num_labels
        self.body = nn.Sequential(
            nn.Linear(2 + (num_labels or 0), 8), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 1, 1)
        )

    def forward(self, z, context=None):
        assert z.dim() == 2
        if self.num_labels is not None:
            z = torch.cat([z, nn.functional.one_hot(context.labels, self.num_labels)], -1)
        return Independent(Normal(self.body(z).squeeze(1), 1.0), 2)


@pytest.mark.parametrize("num_labels", [None, 3])
def test_a_decoder_of_vectors_in_a_row_is_enough(num_labels):
    decoder, x = Images(num_labels), torch.randn(6, 2, 2)
    context = None if num_labels is None else Context(labels=torch.arange(6) % 3)
    vae = VAE(GaussianEncoder(MLP((2, 2), (4,))), decoder, StandardPrior(2))
    z = torch.randn(4, 5, 6, 2)
    p = vae.likelihood(z, context)
    assert (p.batch_shape, p.event_shape) == ((4, 5, 6), (2, 2))
    with torch.no_grad():
        rows = [decoder(row, context).log_prob(x) for row in z.flatten(0, 1)]
    expected = torch.stack(rows).unflatten(0, (4, 5))
    torch.testing.assert_close(p.log_prob(x), expected)
    torch.testing.assert_close(p.expand((3, 4, 5, 6)).log_prob(x)[2], expected)
    torch.testing.assert_close(p.log_prob(x.expand(7, 4, 5, 6, 2, 2))[6], expected)
    assert p.sample((9,)).shape == (9, 4, 5, 6, 2, 2)
    assert p.expand((3, 4, 5, 6)).sample((9,)).shape == (9, 3, 4, 5, 6, 2, 2)
    torch.testing.assert_close(p.mean[3, 4], decoder(z[3, 4], context).mean)
    assert p.variance.eq(1).all()
    assert p.entropy().shape == (4, 5, 6)
    with pytest.raises(ValueError, match=r"ends with \(4, 5, 6\)"):
        p.expand((4, 5, 1))
    one = Context(labels=torch.tensor([2])) if context else None
    torch.testing.assert_close(
        vae.likelihood(z[0, 0, 0], one).mean, decoder(z[0, 0, :1], one).mean[0]
    )
    assert negative_log_likelihood(vae, x, 16, context).per_example.isfinite().all()
    assert elbo(vae, x, 8, context=context).elbo.isfinite().all()
    surgery(vae, x, 2, context=context)
    evaluate(vae, x, 16, context=context)
    drawn = vae.sample(3, context) if context else vae.sample(3)
    assert drawn.shape == ((3, 6, 2, 2) if context else (3, 2, 2))


def test_your_own_network_in_our_decoder_receives_vectors_in_a_row():
    body = nn.Sequential(nn.Linear(2, 8), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 4, 1))
    vae = VAE(GaussianEncoder(MLP((4, 2, 2), (4,))), BernoulliDecoder(body), StandardPrior(2))
    p = vae.likelihood(torch.randn(5, 6, 2))
    assert (p.batch_shape, p.event_shape) == ((5, 6), (4, 2, 2))
    assert negative_log_likelihood(vae, torch.ones(6, 4, 2, 2), 8).per_example.isfinite().all()


def test_a_function_is_a_decoder():
    vae = linear_vae(StandardPrior(2))
    decoder = vae.decoder
    del vae.decoder
    vae.decoder = lambda z: decoder(z)
    nll = negative_log_likelihood(vae, X[:20], 500)
    assert nll.mean == pytest.approx(-float(data_distribution().log_prob(X[:20]).mean()), abs=0.2)
