"""Distributions of counts: digits that hold, gradients, and all else as torch's own."""

import math

import mpmath
import pytest
import torch
from torch import nn
from torch.distributions import Independent, NegativeBinomial, Poisson, kl_divergence
from torch.utils._python_dispatch import TorchDispatchMode

from priory.distributions import LogMeanNegativeBinomial, LogMeanPoisson
from priory.distributions.mixture import blocks
from priory.likelihoods import (
    GaussianDecoder,
    MixedDecoder,
    NegativeBinomialDecoder,
    PoissonDecoder,
)

MEANS = torch.logspace(-6, 8, 15).log()
DISPERSIONS = [1e-4, 1e-2, 1.0, 1e2, 1e4]
mpmath.mp.dps = 50


def counts_of(log_mean: torch.Tensor, dispersion: float) -> torch.Tensor:
    """Zero, the mean, ten standard deviations on both sides, and ten times the mean; `(5, M)`."""
    mean = log_mean.double().exp()
    reach = 10 * (mean + dispersion * mean**2).sqrt()
    x = [torch.zeros_like(mean), mean, (mean - reach).clamp(min=0), mean + reach, 10 * mean]
    return torch.stack(x).round().float()


def poisson(x: float, log_mean: float) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The log-probability, and its derivative in the log-mean."""
    mean = mpmath.exp(log_mean)
    return x * mpmath.mpf(log_mean) - mean - mpmath.loggamma(mpmath.mpf(x) + 1), x - mean


def negative_binomial(
    x: float, log_mean: float, dispersion: float
) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """The log-probability, and its derivatives in the log-mean and in the log-dispersion."""
    mean, theta = mpmath.exp(log_mean), 1 / mpmath.mpf(dispersion)
    value = (
        mpmath.loggamma(x + theta)
        - mpmath.loggamma(theta)
        - mpmath.loggamma(mpmath.mpf(x) + 1)
        - theta * mpmath.log1p(mean / theta)
        - x * mpmath.log1p(theta / mean)
    )
    in_mean = theta * (x - mean) / (theta + mean)
    in_theta = (
        mpmath.digamma(x + theta)
        - mpmath.digamma(theta)
        - mpmath.log1p(mean / theta)
        + (mean - x) / (theta + mean)
    )
    return value, in_mean, -theta * in_theta


def numbers(rows: list[list[mpmath.mpf]]) -> torch.Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float64)


def check_values(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert actual.dtype == torch.float32
    error = (actual.double() - expected).abs()
    assert (error <= 1e-4 + 2**-23 * expected.abs()).all(), error.max()


def test_a_poisson_in_float32_has_the_digits_of_float64():
    x, log_mean = counts_of(MEANS, 0.0), MEANS.expand(5, -1).clone().requires_grad_()
    reference = [
        [poisson(*pair) for pair in zip(row, MEANS.tolist(), strict=True)] for row in x.tolist()
    ]
    actual = LogMeanPoisson(log_mean).log_prob(x)
    check_values(actual, numbers([[value for value, _ in row] for row in reference]))
    actual.sum().backward()
    slope = numbers([[slope for _, slope in row] for row in reference])
    torch.testing.assert_close(log_mean.grad.double(), slope, rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_a_negative_binomial_in_float32_has_the_digits_of_float64(dispersion):
    x = counts_of(MEANS, dispersion)
    log_mean = MEANS.expand(5, -1).clone().requires_grad_()
    log_dispersion = torch.full((5, len(MEANS)), math.log(dispersion)).requires_grad_()
    given = log_dispersion[0, 0].double().exp().item()
    reference = [
        [negative_binomial(*pair, given) for pair in zip(row, MEANS.tolist(), strict=True)]
        for row in x.tolist()
    ]
    actual = LogMeanNegativeBinomial(log_mean, log_dispersion.double().exp()).log_prob(x)
    check_values(actual, numbers([[value for value, _, _ in row] for row in reference]))
    actual.sum().backward()
    for i, gradient in ((1, log_mean.grad), (2, log_dispersion.grad)):
        slope = numbers([[derivatives[i] for derivatives in row] for row in reference])
        # what digamma leaves of float64, of terms that are theta times as large
        atol = 1e-7 + 1e-14 / dispersion
        torch.testing.assert_close(gradient.double(), slope, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("dispersion", [None, 1e-4, 1e-2, 1.0, 1e2])
def test_without_float64_the_error_is_as_documented(monkeypatch, dispersion):
    def make(log_mean):
        if dispersion is None:
            return LogMeanPoisson(log_mean)
        return LogMeanNegativeBinomial(log_mean, torch.tensor(dispersion))

    stated = (1.0, 50.0, 50.0) if dispersion == 1e2 else (0.03, 4.0, 500.0)
    for mean, error in zip((1e4, 1e6, 1e8), stated, strict=True):
        log_mean = (mean * (1 + torch.rand(2000))).log()
        spread = (log_mean.exp() + (dispersion or 0.0) * log_mean.exp() ** 2).sqrt()
        x = (log_mean.exp() + spread * (6 * torch.rand(2000) - 3)).clamp(min=0).round()
        expected = make(log_mean).log_prob(x)
        monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
        assert (make(log_mean).log_prob(x) - expected).abs().max() < error
        monkeypatch.undo()


class WithoutFloat64(TorchDispatchMode):
    """A device that has no float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        assert not (isinstance(out, torch.Tensor) and out.dtype == torch.float64), func
        return out


DECODERS = {
    "poisson": lambda: PoissonDecoder(nn.Identity(), [0.5, 4.0, 1e6]),
    "negative-binomial": lambda: NegativeBinomialDecoder(nn.Identity(), (3,), [0.5, 4.0, 1e6]),
    "mixed": lambda: MixedDecoder(
        nn.Identity(), [("count", 0, 1), ("numeric", 1, 2), ("count", 2, 3)], [0.5, 1e6]
    ),
}
over_decoders = pytest.mark.parametrize("make", DECODERS.values(), ids=DECODERS)


@over_decoders
def test_a_decoder_does_without_float64_where_there_is_none(make, monkeypatch):
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    decoder, z = make(), torch.zeros(2, 3, requires_grad=True)
    with WithoutFloat64():
        p = decoder(z)
        p.log_prob(p.sample()).sum().backward()
        assert p.mean.shape == (2, 3)
    assert z.grad.isfinite().all()


@over_decoders
def test_a_decoder_in_float32_has_the_digits_of_float64(make):
    decoder = make()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, -3.0)
    z = torch.randn(50, 3) / 3
    x = decoder(z).sample()
    with torch.no_grad():
        single = decoder(z).log_prob(x)
        double = decoder.double()(z.double()).log_prob(x.double())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert (single - double).abs().max() < 1e-4 + 2**-22 * double.abs().max()


@over_decoders
def test_means_and_samples_have_the_type_of_the_network(make):
    for dtype in (torch.float32, torch.float64):
        p = make().to(dtype)(torch.zeros(2, 3, dtype=dtype))
        assert p.mean.dtype == p.sample().dtype == p.log_prob(torch.ones(3)).dtype == dtype


def test_constants_are_exact_in_the_type_of_the_module():
    typical = [0.3, 7.1, 1234.5]
    for decoder in (
        PoissonDecoder(nn.Identity(), typical),
        NegativeBinomialDecoder(nn.Identity(), (3,), typical),
        MixedDecoder(nn.Identity(), [("count", 0, 3)], typical),
    ):
        mean = decoder.double()(torch.zeros(3, dtype=torch.float64)).mean
        assert mean.tolist() == pytest.approx(typical, rel=1e-13)
    normal = GaussianDecoder(nn.Identity(), 0.3, ([0.1, 0.2], [0.7, 0.9])).double()
    p = normal(torch.zeros(2, dtype=torch.float64))
    assert p.mean.tolist() == pytest.approx([0.4, 0.55], rel=1e-13)
    assert p.stddev.tolist() == pytest.approx([0.3, 0.3], rel=1e-13)


LOG_MEAN = torch.tensor([[-1.0, 2.0, 5.0], [0.0, 3.0, 8.0]], dtype=torch.float64)
DISPERSION = torch.tensor([0.1, 2.0, 0.03], dtype=torch.float64)
PAIRS = {
    "poisson": (LogMeanPoisson(LOG_MEAN), Poisson(LOG_MEAN.exp())),
    "negative-binomial": (
        LogMeanNegativeBinomial(LOG_MEAN, DISPERSION),
        NegativeBinomial(1 / DISPERSION, logits=LOG_MEAN + DISPERSION.log()),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_all_else_is_as_torch_has_it(name):
    for p, reference in (PAIRS[name], [q.expand((4, 2, 3)) for q in PAIRS[name]]):
        assert isinstance(p, type(reference))
        assert (p.batch_shape, p.event_shape) == (reference.batch_shape, reference.event_shape)
        for attribute in ("mean", "variance", "mode"):
            torch.testing.assert_close(getattr(p, attribute), getattr(reference, attribute))
        with torch.random.fork_rng():
            torch.manual_seed(1)
            draws = p.sample((6,))
            torch.manual_seed(1)
            assert draws.equal(reference.sample((6,)))
        torch.testing.assert_close(p.log_prob(draws), reference.log_prob(draws))
        assert p.log_prob(torch.tensor(3)).shape == p.batch_shape
    with pytest.raises(ValueError, match="support"):
        p.log_prob(torch.tensor(0.5))
    with pytest.raises(ValueError, match="log_mean"):
        type(p)(LOG_MEAN * torch.nan, *([DISPERSION] if name != "poisson" else []))


@pytest.mark.parametrize("name", PAIRS)
def test_expand_takes_an_instance_a_subclass_and_the_flag(name):
    p = PAIRS[name][0]
    unchecked = type(p)(**{key: getattr(p, key) for key in p.arg_constraints}, validate_args=False)
    assert unchecked.expand((4, 2, 3))._validate_args is False
    assert p.expand((4, 2, 3))._validate_args is True

    class Named(type(p)):
        def __init__(self, label):
            self.label = label

        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Named, _instance)
            new.label = self.label
            return super().expand(batch_shape, _instance=new)

    named = p.expand(p.batch_shape, _instance=Named("cells"))
    assert type(named.expand((4, 2, 3))) is Named
    assert named.expand((4, 2, 3)).label == "cells"
    x = torch.ones(3)
    assert named.expand((4, 2, 3)).log_prob(x).equal(p.log_prob(x).expand(4, 2, 3))
    with pytest.raises(NotImplementedError):
        type("Bare", (type(p),), {"__init__": lambda self: None})().expand((4, 2, 3))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, in jvp
def test_functional_transforms_and_second_derivatives():
    x = torch.tensor([3.0, 50.0, 9000.0], dtype=torch.float64)
    log_mean, log_dispersion = LOG_MEAN[0].clone(), DISPERSION.log()

    def log_prob(log_mean, log_dispersion, x):
        return LogMeanNegativeBinomial(
            log_mean, log_dispersion.exp(), validate_args=False
        ).log_prob(x)

    slopes = torch.func.vmap(torch.func.grad(log_prob))(log_mean, log_dispersion, x)
    theta, mean = 1 / DISPERSION, log_mean.exp()
    torch.testing.assert_close(slopes, theta * (x - mean) / (theta + mean))
    _, forward = torch.func.jvp(
        lambda a: log_prob(a, log_dispersion, x), (log_mean,), (torch.ones(3).double(),)
    )
    torch.testing.assert_close(forward, slopes)
    arguments = (log_mean.requires_grad_(), log_dispersion.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: log_prob(a, b, x), arguments)
    assert torch.autograd.gradgradcheck(lambda a, b: log_prob(a, b, x), arguments)


def test_the_divergence_of_poissons_is_torch_s():
    p, q = PAIRS["poisson"][0], LogMeanPoisson(LOG_MEAN + 1)
    expected = kl_divergence(Poisson(LOG_MEAN.exp()), Poisson((LOG_MEAN + 1).exp()))
    torch.testing.assert_close(
        kl_divergence(Independent(p, 1), Independent(q, 1)), expected.sum(-1)
    )
