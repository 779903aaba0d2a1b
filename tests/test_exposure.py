"""Counts with an exposure and batches: their densities, draws and what a model is told of."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import priory
from priory import MLP, VAE, Context, GaussianEncoder, StandardPrior, elbo
from priory.data import Source, split
from priory.distributions import LogMeanNegativeBinomial
from priory.distributions.log_mean_negative_binomial import SMALL, log_coefficient
from priory.evaluation import decode, evaluate, sample_data
from priory.importance_weighted import importance_weighted_loss
from priory.likelihoods import NegativeBinomialDecoder, PoissonDecoder, choose_likelihood
from priory.networks import NormedMLP
from priory.training import build, make_networks

Z = torch.tensor([[0.5, -1.0], [2.0, 0.3], [-1.0, -0.2]], dtype=torch.float64)
X = torch.tensor([[0.0, 3, 40], [7, 0, 1], [2, 2, 900]], dtype=torch.float64)
E = torch.tensor([43.0, 8.0, 1500.0], dtype=torch.float64)
BATCH = torch.tensor([1, 0, 1])
TYPICAL = [0.5, 4.0, 300.0]
FORMS = [
    (kind, exposure, dispersion)
    for kind in ("poisson", "negative-binomial")
    for exposure in ("total", "given")
    for dispersion in ("gene", "gene-batch")
    if dispersion == "gene" or kind == "negative-binomial"
]
over_forms = pytest.mark.parametrize(("kind", "exposure", "dispersion"), FORMS)


def make_decoder(kind, exposure, dispersion="gene", exposures=((5.0, 10, 20), (100, 200, 600))):
    torch.manual_seed(2)
    network = NormedMLP((2,), (3,), (4,), num_batches=2)
    told = {"exposure": exposure, "exposures": [list(row) for row in exposures]}
    if kind == "poisson":
        decoder = PoissonDecoder(network, TYPICAL, **told)
    else:
        decoder = NegativeBinomialDecoder(network, (3,), TYPICAL, dispersion=dispersion, **told)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder.double()


def reference(decoder, kind, exposure, dispersion, row):
    """Return log p(x|z) of an example, one number after another, by SciPy."""
    batch = torch.eye(2, dtype=torch.float64)[BATCH[row]]
    out = decoder.network(Z[row : row + 1], batches=batch[None])[0].tolist()
    rates = [m * math.exp(f) for m, f in zip(TYPICAL, out, strict=True)]
    if exposure == "total":
        means = [E[row].item() * rate / sum(rates) for rate in rates]
    else:
        middle = np.mean([5.0, 10, 20, 100, 200, 600])
        means = [E[row].item() / middle * rate for rate in rates]
    if kind == "poisson":
        return sum(stats.poisson.logpmf(v, m) for v, m in zip(X[row].tolist(), means, strict=True))
    logs = decoder.log_dispersion if dispersion == "gene" else decoder.log_dispersion[BATCH[row]]
    total = 0.0
    for v, m, log in zip(X[row].tolist(), means, logs.tolist(), strict=True):
        theta = 1 / (math.exp(log) + 1e-4)
        total += stats.nbinom.logpmf(v, theta, theta / (theta + m))
    return total


@over_forms
def test_the_density_is_that_of_scipy(kind, exposure, dispersion):
    decoder = make_decoder(kind, exposure, dispersion)
    actual = decoder(Z, Context(exposure=E, batch_label=BATCH)).log_prob(X)
    expected = [reference(decoder, kind, exposure, dispersion, row) for row in range(3)]
    assert actual.tolist() == pytest.approx(expected, rel=1e-9)
    single = decoder.float()(Z.float(), Context(exposure=E.float(), batch_label=BATCH))
    torch.testing.assert_close(single.log_prob(X.float()).double(), actual, rtol=1e-5, atol=5e-3)
    several = decoder(Z.float().expand(4, 3, 2), Context(exposure=E, batch_label=BATCH))
    torch.testing.assert_close(several.log_prob(X.float())[2], single.log_prob(X.float()))


@over_forms
def test_gradients_are_those_of_finite_differences(kind, exposure, dispersion):
    decoder = make_decoder(kind, exposure, dispersion)
    names = [name for name, _ in decoder.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in decoder.parameters()]

    def log_prob(z, e, *values):
        parameters = dict(zip(names, values, strict=True))
        told = (z, Context(exposure=e, batch_label=BATCH))
        return torch.func.functional_call(decoder, parameters, told).log_prob(X)

    points = (Z.clone().requires_grad_(), E.clone().requires_grad_())
    assert torch.autograd.gradcheck(log_prob, (*points, *values), atol=1e-4)


def test_counts_that_are_mostly_zero_have_the_density_of_the_others():
    torch.manual_seed(0)
    x = torch.poisson(torch.full((40, SMALL // 20), 0.1)).double()
    log_mean = torch.randn(x.shape, dtype=torch.float64)
    dispersion = torch.rand(x.shape[1], dtype=torch.float64) + 0.1
    dispersion.requires_grad_()
    actual = LogMeanNegativeBinomial(log_mean, dispersion).log_prob(x)
    theta = 1 / dispersion.detach()
    expected = stats.nbinom.logpmf(x, theta, theta / (theta + log_mean.exp()))
    torch.testing.assert_close(actual.detach(), torch.as_tensor(expected), rtol=1e-9, atol=1e-9)
    (fast,) = torch.autograd.grad(actual.sum(), dispersion)
    rows = [
        LogMeanNegativeBinomial(m, dispersion).log_prob(v) for m, v in zip(log_mean, x, strict=True)
    ]
    (slow,) = torch.autograd.grad(torch.stack(rows).sum(), dispersion)
    torch.testing.assert_close(fast, slow)
    each = torch.func.vmap(log_coefficient, (0, None))(x, theta)
    torch.testing.assert_close(each, log_coefficient(x, theta))


def counts(num=60, genes=5):
    torch.manual_seed(3)
    depth = torch.exp(0.5 * torch.randn(num, 1)) * 30
    return torch.poisson(depth * torch.rand(1, genes)) + torch.eye(genes)[torch.arange(num) % genes]


def make_vae(x, batch_label=None, batch_in_encoder=False, **how):
    likelihood = choose_likelihood(x, "negative-binomial", batch_label=batch_label, **how)
    networks = make_networks(
        likelihood,
        x.shape[1:],
        2,
        (8,),
        "normed-mlp",
        num_batches=None if batch_label is None else 2,
        batch_in_encoder=batch_in_encoder,
    )
    return VAE(*networks, StandardPrior(2)).eval()


def test_a_model_takes_the_total_of_an_example():
    x = counts()
    vae = make_vae(x)
    assert (vae.decoder.exposure, vae.needs) == ("total", ())
    told = Context(exposure=x.sum(1))
    for bound in (lambda *a, **k: elbo(*a, **k).elbo, importance_weighted_loss):
        torch.manual_seed(0)
        first = bound(vae, x, 2)
        torch.manual_seed(0)
        assert bound(vae, x, 2, context=told).equal(first)
    q = vae.posterior(x)
    means = vae.likelihood(q.mean, told).mean
    torch.testing.assert_close(means.sum(1), x.sum(1))
    assert evaluate(vae, x, 16).nll == evaluate(vae, x, 16, context=told).nll


def test_the_encoder_sees_shares_of_the_total():
    x = counts()
    encoder = make_vae(x).encoder
    assert encoder.transform == "log1p-of-shares"
    torch.testing.assert_close(encoder(3 * x).mean, encoder(x).mean)
    assert encoder(torch.zeros(2, 5)).mean.isfinite().all()
    unit = torch.log1p(x / x.mean(1, keepdim=True))
    inputs = 2 * unit / math.log1p(x.max()) - 1
    torch.testing.assert_close(encoder(x).mean, encoder.network(inputs)[:, :2])
    assert make_vae(x, exposure="none").encoder.transform == "log1p"
    with pytest.raises(ValueError, match="zero upwards with transform='log1p-of-shares'"):
        GaussianEncoder(MLP((5,), (4,)), (-1, 5), "log1p-of-shares")


def test_exposures_are_drawn_from_those_seen_in_a_batch():
    x = counts(400)
    batch = (x.sum(1) > x.sum(1).median()).long()
    vae = make_vae(x, batch)
    label = torch.tensor([0, 1])
    depth = vae.sample(500, Context(batch_label=label)).sum(-1)
    assert depth.shape == (500, 2)
    for n in label:
        seen = x.sum(1)[batch == n]
        drawn = vae.decoder.draw_exposures(4000, Context(batch_label=torch.full((4000,), n)))
        assert seen.min() <= drawn.min()
        assert drawn.max() <= seen.max()
        assert stats.kstest(drawn.numpy(), seen.numpy())[0] < 0.05
    assert depth[:, 0].median() < x.sum(1).median() < depth[:, 1].median()
    given = vae.sample(300, Context(batch_label=label, exposure=torch.tensor([1e3, 10.0])))
    assert given.sum(-1).mean(0).tolist() == pytest.approx([1e3, 10], rel=0.2)
    shown = vae.with_exposure(x, Context(batch_label=batch))
    assert sample_data(vae, 7, shown).shape == (7, 5)
    told = Context(batch_label=torch.zeros(9, dtype=torch.long))
    typical = decode(vae, torch.zeros(9, 2), told, mean=True).sum(1)
    torch.testing.assert_close(typical, vae.decoder.exposure_quantiles[0].median().expand(9))
    with pytest.raises(ValueError, match="expected batch labels from 0 to 1, got none"):
        vae.sample(3)
    with pytest.raises(ValueError, match="expected batch labels from 0 to 1, got 2"):
        vae.sample(3, Context(batch_label=torch.tensor([2])))


def test_the_encoder_receives_batches_on_request():
    x, batch = counts(), torch.arange(60) % 2
    vae = make_vae(x, batch, batch_in_encoder=True)
    means = [vae.encode(x, Context(batch_label=torch.full((60,), n))) for n in (0, 1)]
    assert not means[0].allclose(means[1])
    with pytest.raises(ValueError, match="batch labels"):
        vae.encode(x)
    assert vae.encoder(x).batch_shape == (60,)  # pseudo-inputs are of no batch
    plain = make_vae(x, batch)
    assert plain.encode(x).shape == (60, 2)


@pytest.mark.parametrize("kind", ["poisson", "negative-binomial"])
def test_a_model_with_exposures_is_saved_and_loaded(kind, tmp_path):
    decoder = make_decoder(kind, "total").float()
    vae = VAE(GaussianEncoder(MLP((3,), (4,))), decoder, StandardPrior(2)).eval()
    priory.save(vae, tmp_path)
    again = priory.load(tmp_path)
    told = Context(exposure=E.float(), batch_label=BATCH)
    assert again.decoder(Z.float(), told).log_prob(X).equal(decoder(Z.float(), told).log_prob(X))
    assert again.decoder.exposure_quantiles.equal(decoder.exposure_quantiles)
    assert again.num_batches == 2


def test_what_a_likelihood_takes_for_exposures():
    x = counts()
    assert choose_likelihood(x, "poisson").exposure == "total"
    assert choose_likelihood(x, "poisson", exposure="none").exposure is None
    assert choose_likelihood(x[:, :1], "poisson").exposure is None
    given = choose_likelihood(x, "poisson", exposure=torch.linspace(1, 5, 60))
    assert (given.exposure, given.exposures[0][0], given.exposures[0][-1]) == ("given", 1.0, 5.0)
    x[4] = 0
    assert choose_likelihood(x, "poisson").exposure is None
    with pytest.raises(ValueError, match="above zero, got 0 for example 4; leave out such"):
        choose_likelihood(x, "poisson", exposure="total")
    vae = make_vae(counts())
    with pytest.raises(ValueError, match="exposures above zero, got 0 for example 1"):
        vae.likelihood(torch.zeros(3, 2), Context(exposure=[1.0, 0.0, 2.0]))
    with pytest.raises(ValueError, match="network with num_batches"):
        NegativeBinomialDecoder(MLP((2,), (3,)), (3,), dispersion="gene-batch")
    with pytest.raises(ValueError, match="finite and above zero"):
        PoissonDecoder(MLP((2,), (3,)), exposure="total", exposures=[0.0, 1.0])
    with pytest.raises(ValueError, match="fully connected"):
        make_networks(choose_likelihood(counts()), (8, 8), 2, network="conv", num_batches=2)


def test_data_bring_what_a_model_needs():
    x, batch = counts(), torch.arange(60) % 2
    exposure = torch.linspace(1, 5, 60)
    source = Source("counts", x, batch_label=batch, batch_names=("a", "b"), exposure=exposure)
    splits = split(source)
    assert splits.of_modelled("exposure").equal(exposure)
    likelihood = choose_likelihood(x, exposure=exposure, batch_label=batch, name="poisson")
    vae = build(
        splits, likelihood, "VampPrior", latent_dim=2, num_components=3, network="normed-mlp"
    )
    assert vae.needs == ("exposure", "batch_label")
    told = vae.context_of(**splits.test.annotations)
    assert told.batch_label.equal(batch[splits.test.index])
    assert told.exposure.equal(exposure[splits.test.index])
    with pytest.raises(ValueError, match="expected exposures of the data to train on"):
        build(
            split(Source("counts", x, batch_label=batch, batch_names=("a", "b"))),
            likelihood,
            "StandardPrior",
            network="normed-mlp",
        )
