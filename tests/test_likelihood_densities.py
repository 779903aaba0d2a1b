"""The densities and samplers behind the decoders, against references in double precision."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import priory
from likelihood_cases import CASES
from priory import MLP, Context, GaussianEncoder
from priory.distributions import DiscretizedLogistic, LogitsCategorical, MixedColumns
from priory.distributions.torch_distributions import without_argument_checks
from priory.evaluation.decoding import expected
from priory.likelihoods import (
    DiscretizedLogisticDecoder,
    GaussianDecoder,
    MixedDecoder,
    NegativeBinomialDecoder,
    PoissonDecoder,
)

over_decoders = pytest.mark.parametrize("name", CASES)
Z = torch.tensor([[0.5, -1.0], [2.0, 0.3], [-1.0, -0.2]])


def build(name: str) -> nn.Module:
    """Return the decoder with every parameter away from its start."""
    decoder = CASES[name].decoder()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder


def example(name: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(CASES[name].x, dtype=dtype)


@pytest.fixture
def _in_double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@over_decoders
@pytest.mark.usefixtures("_in_double")
def test_the_density_is_the_reference(name):
    decoder, x = build(name), example(name, torch.float64)
    actual = decoder(Z.double()).log_prob(x)
    assert actual.shape == (3,)
    for z, value in zip(Z.double(), actual, strict=True):
        out = decoder.network(z).tolist()
        reference = CASES[name].reference(decoder, out, CASES[name].x)
        assert value.item() == pytest.approx(reference, rel=1e-9)
    single = decoder.float()(Z).log_prob(x.float())
    torch.testing.assert_close(single.double(), actual, rtol=1e-5, atol=5e-3)


@over_decoders
def test_gradients_in_z_and_every_parameter(name):
    decoder, x = build(name).double(), example(name, torch.float64)
    names = [key for key, _ in decoder.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in decoder.parameters()]

    def log_prob(z, *values):
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(decoder, parameters, (z,)).log_prob(x)

    assert torch.autograd.gradcheck(log_prob, (Z.double().requires_grad_(), *values), atol=1e-4)


@over_decoders
def test_shapes_context_and_mean(name):
    decoder, x = build(name), example(name)
    p = decoder(Z.expand(4, 3, 2), Context(index=torch.arange(3)))
    assert p.batch_shape == (4, 3)
    assert p.event_shape == x.shape
    assert p.expand((2, 4, 3)).log_prob(x).equal(p.log_prob(x).expand(2, 4, 3))
    torch.manual_seed(1)
    draws = decoder(Z[0]).sample((20_000,)).float()
    assert draws.shape == (20_000, *x.shape)
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - expected(decoder(Z[0]))).abs() < 4.5 * error + 1e-6).all()


@over_decoders
def test_a_decoder_is_saved_and_loaded(name, tmp_path):
    decoder, x = build(name), example(name)
    vae = priory.VAE(GaussianEncoder(MLP((4,), (4,))), decoder, priory.StandardPrior(2))
    priory.save(vae, tmp_path)
    again = priory.load(tmp_path)
    assert type(again.decoder) is type(decoder)
    assert again.decoder(Z).log_prob(x).equal(decoder(Z).log_prob(x))


def chi_square(counts: np.ndarray, mass: np.ndarray) -> float:
    """Return the p-value of counts against masses, with rare values put together."""
    expected = mass * counts.sum()
    common = expected >= 10
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(expected[common], max(counts.sum() - expected[common].sum(), 1e-9))
    statistic = ((observed - expected) ** 2 / expected).sum()
    return stats.chi2.sf(statistic, len(expected) - 1)


@pytest.mark.parametrize(
    ("p", "most"),
    [
        (DiscretizedLogistic(torch.tensor(2.2), torch.tensor(0.9), 8), 8),
        (DiscretizedLogistic(torch.tensor(250.0), torch.tensor(20.0), 256), 256),
        (DiscretizedLogistic(torch.tensor(-3.0), torch.tensor(0.3), 2), 2),
        (LogitsCategorical(torch.tensor([3.0, -1.0, 2.5, 0.0])), 4),
        (NegativeBinomialDecoder(nn.Identity(), (1,), 4.0)(torch.zeros(1)).base_dist, 400),
        (PoissonDecoder(nn.Identity(), 30.0)(torch.zeros(1)).base_dist, 200),
    ],
    ids=lambda value: type(value).__name__,
)
def test_masses_sum_to_one_and_samples_follow_them(p, most):
    mass = p.log_prob(torch.arange(most).float()).detach().double().exp()
    assert mass.sum().item() == pytest.approx(1, abs=2e-6)
    draws = p.sample((20_000,)).flatten().long().numpy()
    assert chi_square(np.bincount(draws, minlength=most), mass.numpy()) > 1e-3


def test_samples_of_mixed_columns_follow_their_density():
    p = build("mixed")(Z[0])
    draws = p.sample((20_000,))
    assert p.support.check(draws).all()
    assert not p.support.check(draws + 0.5).any()
    for block, start, stop in ((1, 2, 5), (4, 7, 9)):
        counts = draws[:, start:stop].sum(0).numpy()
        assert (draws[:, start:stop].sum(-1) == 1).all()
        mass = p.blocks[block].log_prob(torch.eye(stop - start)).detach().exp()
        assert chi_square(counts, mass.double().numpy()) > 1e-3
    loc, scale = p.blocks[0].mean[1].item(), p.blocks[0].stddev[1].item()
    assert stats.kstest(draws[:, 1].numpy(), stats.norm(loc, scale).cdf)[1] > 1e-3


def tail_log_mass(x: int, loc: float, scale: float) -> float:
    """The log-mass from whichever tail holds it, where no digits are lost."""
    ends = [-math.inf if x == 0 else (x - 0.5 - loc) / scale]
    ends += [math.inf if x == 255 else (x + 0.5 - loc) / scale]
    low, high = ends if sum(ends) < 0 else (-ends[1], -ends[0])
    far = max(-700.0 - high, 0.0)  # in the tail the mass is exp(far) times smaller, and no less
    low, high = low + far, high + far
    return math.log(1 / (1 + math.exp(-high)) - 1 / (1 + math.exp(min(-low, 709.0)))) - far


@pytest.mark.parametrize("loc", [-300.0, 0.0, 3.3, 127.5, 255.0, 600.0])
@pytest.mark.parametrize("scale", [0.02, 0.5, 30.0, 1e4])
def test_the_discretized_logistic_holds_in_float32_far_out(loc, scale):
    x = torch.arange(256.0)
    location = torch.tensor(loc, requires_grad=True)
    width = torch.tensor(scale, requires_grad=True)
    actual = DiscretizedLogistic(location, width).log_prob(x)
    expected = torch.tensor([tail_log_mass(v, loc, scale) for v in range(256)]).double()
    torch.testing.assert_close(actual.double(), expected, rtol=2e-5, atol=2e-4)
    assert actual.double().exp().sum().item() == pytest.approx(1, abs=1e-4)
    actual.sum().backward()
    assert location.grad.isfinite()
    assert width.grad.isfinite()


def test_the_mean_of_a_discretized_logistic_is_the_sum():
    p = DiscretizedLogistic(torch.tensor([-1.0, 2.2, 30.0]), torch.tensor([2.0, 0.7, 4.0]), 9)
    x = torch.arange(9.0).unsqueeze(-1)
    torch.testing.assert_close(p.mean, (x * p.log_prob(x).exp()).sum(0))


def test_a_categorical_of_logits_is_that_of_torch():
    logits = 30 * torch.randn(4, 3, 5, dtype=torch.float64, requires_grad=True)
    p, reference = LogitsCategorical(logits), torch.distributions.Categorical(logits=logits)
    x = reference.sample((7,))
    for one, other in ((p, reference), (p.expand((2, 4, 3)), reference.expand((2, 4, 3)))):
        draws = x if one is p else x[:, None]
        assert one.batch_shape == other.batch_shape
        torch.testing.assert_close(one.log_prob(draws), other.log_prob(draws))
        torch.testing.assert_close(one.probs, other.probs)
        torch.testing.assert_close(one.logits, other.logits)
        torch.testing.assert_close(one.entropy(), other.entropy())
        assert one.mode.equal(other.mode)
        assert one.sample((6,)).shape == other.sample((6,)).shape
    total = p.log_prob(p.enumerate_support()).exp().sum(0)
    torch.testing.assert_close(total, torch.ones_like(total))
    kl = torch.distributions.kl_divergence
    flipped = torch.distributions.Categorical(logits=logits.flip(-1))
    torch.testing.assert_close(kl(p, LogitsCategorical(logits.flip(-1))), kl(reference, flipped))
    torch.testing.assert_close(p.log_prob(x[0]), reference.log_prob(x[0]))
    torch.testing.assert_close(p.log_prob(x[0, 0]), reference.log_prob(x[0, 0]))
    for value in (x, x[0]):
        assert torch.autograd.gradcheck(lambda a, v=value: LogitsCategorical(a).log_prob(v), logits)


def test_values_outside_the_support_are_refused():
    p = DiscretizedLogistic(torch.zeros(2), torch.ones(2), 4)
    for value in (-1.0, 4.0, 0.5):
        with pytest.raises(ValueError, match="support"):
            p.log_prob(torch.full((2,), value))
    for value in (-100, 3):  # torch's cross-entropy leaves out -100 in silence
        with pytest.raises(ValueError, match="support"):
            LogitsCategorical(torch.zeros(2, 3)).log_prob(torch.tensor([0, value]))
    with without_argument_checks(), pytest.raises(IndexError, match="-100 is out of bounds"):
        LogitsCategorical(torch.zeros(2, 3)).log_prob(torch.tensor([0, -100]))
    for logits, message in ((torch.tensor(0.0), "one dim"), (torch.tensor([0, math.nan]), "Real")):
        with pytest.raises(ValueError, match=message):
            LogitsCategorical(logits)
    mixed = build("mixed")(Z)
    with pytest.raises(ValueError, match="support"):
        mixed.log_prob(example("mixed") * 0.5)
    with pytest.raises(ValueError, match="10 columns"):
        mixed.log_prob(torch.zeros(7))
    with pytest.raises(ValueError, match="same batch shape"):
        MixedColumns([])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: GaussianDecoder(n, scale=0.0), "above zero, got 0.0"),
        (lambda n: GaussianDecoder(n, data_range=(1, 1)), "low < high"),
        (lambda n: GaussianDecoder(n, min_scale=-1.0), "min_scale of at least 0, got -1"),
        (lambda n: GaussianDecoder(n, min_scale=float("inf")), "min_scale of at least 0, got inf"),
        (lambda n: DiscretizedLogisticDecoder(n, 1), "num_values of at least 2, got 1"),
        (lambda n: PoissonDecoder(n, 0.0), "above zero"),
        (lambda n: NegativeBinomialDecoder(n, (0,)), "at least one"),
        (lambda n: NegativeBinomialDecoder(n, (4,), min_dispersion=0.0), "min_dispersion"),
        (lambda n: MixedDecoder(n, []), "at least one span"),
        (lambda n: MixedDecoder(n, [("numeric", 1, 2)]), "adjacent spans"),
        (lambda n: MixedDecoder(n, [("ordinal", 0, 2)]), "numeric or count or categorical"),
        (lambda n: MixedDecoder(n, [("numeric", 0, 1)], min_scale=-1.0), "min_scale"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(MLP((2,), (4,)))


def test_counts_are_encoded_by_their_logarithm():
    network = MLP((2,), (4,), (3,))
    x = torch.tensor([[0.0, 5000], [10000, 7]])
    actual = GaussianEncoder(network, (0, 10_000), transform="log1p")(x).mean
    unit = 2 * torch.log1p(x) / math.log1p(10_000) - 1
    torch.testing.assert_close(actual, network(unit)[..., :2])
    with pytest.raises(ValueError, match="from zero upwards"):
        GaussianEncoder(network, (-2, 10), transform="log1p")


def test_the_range_may_differ_by_dimension():
    network = MLP((2,), (4,), (3,))
    encoder = GaussianEncoder(network, ([0, -10], [1, 30]))
    actual = encoder(torch.tensor([[0.25, 30.0]])).mean
    torch.testing.assert_close(actual, network(torch.tensor([[-0.5, 1.0]]))[:, :2])
    assert encoder.data_range == ([0, -10], [1, 30])


@over_decoders
def test_no_examples_have_no_densities(name):
    x = example(name)
    empty = x.expand(0, *x.shape)
    assert build(name)(torch.zeros(0, 2)).log_prob(empty).shape == (0,)
