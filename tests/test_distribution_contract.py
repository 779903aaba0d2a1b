"""What every distribution of ours does as torch's own do, and at sizes of zero where they fail."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, OneHotCategorical, kl_divergence
from torch.utils._python_dispatch import TorchDispatchMode

from priory import FactorizedGaussianMixture, FlowPrior, GaussianMixture
from priory.distributions import (
    DiscretizedLogistic,
    LogitsCategorical,
    MixedColumns,
    ResampledDistribution,
    ShardedGaussianMixture,
    kl_lower_bound,
    kl_upper_bound,
    kl_variational,
    marginal,
    marginals_of,
    monte_carlo_kl,
    working_dtype,
)
from priory.distributions.mixture import blocks
from priory.distributions.unflattened import UnflattenedDistribution
from priory.priors.flow import TransformedNoise


def parameters(*batch: int, components: int = 4, dims: int = 3):
    return (
        torch.randn(*batch, components),
        torch.randn(*batch, components, dims),
        torch.rand(*batch, components, dims) + 0.3,
    )


def gaussian(*batch: int, dims: int = 3):
    return Independent(Normal(torch.randn(*batch, dims), 0.5 + torch.rand(*batch, dims)), 1)


def mixed_columns(cls, *batch, **flag):
    logistic = DiscretizedLogistic(torch.zeros(*batch, 2), torch.ones(*batch, 2), 8)
    columns = [gaussian(*batch), Independent(logistic, 1)]
    if 0 not in batch:  # torch cannot make it of no logits
        columns.append(OneHotCategorical(logits=torch.randn(*batch, 4)))
    return cls(columns, **flag)


def resampled(cls, *batch, **flag):
    proposal = gaussian(*batch)
    return cls(proposal, lambda z: z[..., 0], 10, proposal.sample((30,)), **flag)


def transformed_noise(cls, *batch, **flag):
    p = FlowPrior(3, "NSF", {"transforms": 1, "hidden_features": [4]})()
    return cls(p.transforms, p.noise.expand(batch), **flag)


BUILD = {
    GaussianMixture: lambda cls, *batch, **flag: cls(*parameters(*batch), **flag),
    FactorizedGaussianMixture: lambda cls, *batch, **flag: cls(*parameters(*batch), **flag),
    ShardedGaussianMixture: lambda cls, *batch, **flag: cls(*parameters(*batch), **flag),
    DiscretizedLogistic: lambda cls, *batch, **flag: cls(
        torch.zeros(batch), torch.ones(batch), 8, **flag
    ),
    LogitsCategorical: lambda cls, *batch, **flag: cls(torch.randn(*batch, 5), **flag),
    MixedColumns: mixed_columns,
    ResampledDistribution: resampled,
    TransformedNoise: transformed_noise,
}
over_all = pytest.mark.parametrize("cls", BUILD, ids=lambda cls: cls.__name__)


@over_all
@pytest.mark.parametrize("flag", [True, False])
def test_expand_is_that_of_torch(cls, flag):
    p = BUILD[cls](cls, validate_args=flag)
    wide = p.expand((5, 2))
    assert type(wide) is cls
    assert (wide.batch_shape, wide.event_shape) == ((5, 2), p.event_shape)
    value = p.sample((5, 2))
    torch.testing.assert_close(wide.log_prob(value), p.log_prob(value))
    assert wide.sample((3,)).shape == (3, 5, 2, *p.event_shape)
    assert wide._validate_args is flag
    assert wide.expand((4, 5, 2))._validate_args is flag

    made = cls.__new__(cls)
    assert p.expand([2], _instance=made) is made
    assert made.log_prob(value).shape == (5, 2)


@over_all
def test_expand_returns_subclasses_as_torch_does(cls):
    class Renamed(cls):
        unit = "nats"

    p = BUILD[cls](Renamed)
    assert type(p.expand((2,))) is Renamed

    class Named(cls):
        def __init__(self, name, *args, **kwargs):
            self.name = name
            super().__init__(*args, **kwargs)

    class Expandable(Named):
        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Expandable, _instance)
            new.name = self.name
            return super().expand(batch_shape, _instance=new)

    def build(which):
        return BUILD[cls](lambda *args, **kwargs: which("z", *args, **kwargs))

    with pytest.raises(NotImplementedError, match="must also define a custom"):
        build(Named).expand((2,))
    wide = build(Expandable).expand((2,))
    assert (type(wide), wide.name, wide.batch_shape) == (Expandable, "z", (2,))


@over_all
@pytest.mark.parametrize("batch", [(), (0,), (2, 0), (2,)])
@pytest.mark.parametrize("points", [(0,), (3, 0), (0, 3), (3,)])
def test_sizes_of_zero(cls, batch, points):
    p = BUILD[cls](cls, *batch)
    value = p.sample(points)
    assert value.shape == (*points, *batch, *p.event_shape)
    density = p.log_prob(value)
    assert density.shape == (*points, *batch)
    assert p.expand((0, *batch)).sample().shape == (0, *batch, *p.event_shape)
    assert p.expand((0, *batch)).log_prob(p.expand((0, *batch)).sample()).shape == (0, *batch)


both = pytest.mark.parametrize("mixture", [GaussianMixture, FactorizedGaussianMixture])


@both
@pytest.mark.parametrize("components", [4, 900])
@pytest.mark.parametrize("batch", [(), (0,), (3, 0), (3,)])
@pytest.mark.parametrize("points", [(0,), (2, 0), (2,)])
def test_gradients_through_sizes_of_zero(mixture, components, batch, points):
    leaves = [t.requires_grad_() for t in parameters(*batch, components=components)]
    z = torch.randn(*points, *batch, 3, requires_grad=True)
    p = mixture(*leaves)
    assert p.responsibilities(z).shape[: len(points + batch)] == points + batch
    assert p.mean.shape == p.variance.shape == (*batch, 3)
    first = torch.autograd.grad(p.log_prob(z).sum(), [z, *leaves], create_graph=True)
    sum(g.square().sum() for g in first).backward()
    if 0 in points + batch:
        assert all((g == 0).all() for g in first)
    for leaf, gradient in zip([z, *leaves], first, strict=True):
        assert leaf.grad.shape == gradient.shape == leaf.shape


@pytest.mark.parametrize("batch", [(0,), (2, 0)])
def test_divergences_of_empty_batches(batch):
    q, p = gaussian(*batch), GaussianMixture(*parameters(*batch))
    single = GaussianMixture(*parameters(*batch, components=1))
    shared = GaussianMixture(*parameters())
    for divergence in (
        kl_upper_bound(q, p),
        kl_upper_bound(q, shared),
        kl_lower_bound(q, p),
        kl_lower_bound(q, single),
        kl_lower_bound(q, q),
        kl_divergence(q, single),
        monte_carlo_kl(q, p, 10).value,
        monte_carlo_kl(p, q, 10).standard_error,
    ):
        assert divergence.shape == batch


def test_a_marginal_has_no_points_and_no_samples():
    weights = torch.tensor([0.25, 0.75])
    for mixture in (GaussianMixture, FactorizedGaussianMixture):
        p = marginal(weights, mixture(*parameters(2)))
        assert p.log_prob(torch.zeros(0, 3)).shape == (0,)
        assert p.sample((0,)).shape == (0, 3)
    assert marginals_of(p) is None
    assert marginals_of(mixture(*parameters())).log_prob(torch.zeros(0, 3, 1)).shape == (0, 3)


class Tracked(Tensor):
    """A tensor that remembers its origins, with a shape that is a plain tuple."""

    @staticmethod
    def __new__(cls, tensor, origins):
        new = tensor.as_subclass(cls)
        new.tensor, new.origins = tensor, frozenset(origins)
        return new

    def __init__(self, tensor, origins):
        pass

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        origins = set()

        def plain(x):
            if isinstance(x, Tracked):
                origins.update(x.origins)
                return x.tensor
            return type(x)(map(plain, x)) if isinstance(x, list | tuple) else x

        def tracked(x):
            if isinstance(x, Tensor):
                return Tracked(x, origins)
            return tuple(map(tracked, x)) if isinstance(x, tuple) else x

        kwargs = {name: plain(x) for name, x in (kwargs or {}).items()}
        return tracked(function(*map(plain, args), **kwargs))


@both
@pytest.mark.parametrize("components", [4, 900])
@pytest.mark.parametrize("batch", [(), (5,)])
def test_tensors_that_track_their_origins(mixture, components, batch):
    values = parameters(*batch, components=components)
    z = torch.randn(6, *batch, 3)
    assert type(Tracked(z, "z").shape) is tuple
    leaves = [t.requires_grad_() for t in values]
    p = mixture(*(Tracked(t, name) for t, name in zip(leaves, ("w", "m", "s"), strict=True)))
    plain = mixture(*values)
    for point in (z, z[0]):
        density = p.log_prob(Tracked(point, "z"))
        assert density.origins == set("wmsz")
        torch.testing.assert_close(density.tensor, plain.log_prob(point))
        share = plain.responsibilities(Tracked(point, "z"))
        assert share.origins == {"z"}
        torch.testing.assert_close(share.tensor, plain.responsibilities(point))
    actual = torch.autograd.grad(p.log_prob(z).sum(), leaves)
    expected = torch.autograd.grad(plain.log_prob(z).sum(), leaves)
    torch.testing.assert_close(actual, expected)
    assert p.expand((2, *batch)).sample((3,)).tensor.shape == (3, 2, *batch, 3)
    torch.testing.assert_close(p.variance.tensor, plain.variance)


class WithoutFloat64(TorchDispatchMode):
    """Stands for a device that has no float64."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64:
                raise TypeError(f"float64 in {function}")
        return out


def all_that_a_mixture_answers(mixture, *batch, components):
    leaves = [t.requires_grad_() for t in parameters(*batch, components=components)]
    z = torch.randn(6, *batch, 3, requires_grad=True)
    p = mixture(*leaves)
    density = p.log_prob(z)
    first = torch.autograd.grad(density.sum(), [z, *leaves], create_graph=True)
    second = sum(g.square().sum() for g in first)
    torch.autograd.grad(second, [z, *leaves], retain_graph=True)
    torch.autograd.grad(p.log_prob(z).sum(), leaves)
    yield from (density, p.responsibilities(z), p.mean, p.variance, *first)
    with torch.no_grad():
        yield from (p.log_prob(z), p.responsibilities(z), p.sample((7,)))
    yield from (torch.func.grad(lambda z: p.log_prob(z).sum())(z), p.expand((2, *batch)).variance)


@both
@pytest.mark.parametrize("components", [4, 900])
@pytest.mark.parametrize("batch", [(), (5,)])
def test_nothing_needs_float64_on_a_device_without(monkeypatch, mixture, components, batch):
    with pytest.raises(TypeError, match="float64"), WithoutFloat64():
        list(all_that_a_mixture_answers(mixture, *batch, components=components))
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    assert working_dtype(torch.device("cpu")) == torch.float32
    with WithoutFloat64():
        torch.manual_seed(1)
        actual = list(all_that_a_mixture_answers(mixture, *batch, components=components))
    monkeypatch.undo()
    torch.manual_seed(1)
    expected = list(all_that_a_mixture_answers(mixture, *batch, components=components))
    for one, other in zip(actual, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_no_divergence_needs_float64_on_a_device_without(monkeypatch):
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    q, p = gaussian(5), GaussianMixture(*parameters())
    weighted = GaussianMixture(torch.randn(5, 4), p.loc, p.scale)
    with WithoutFloat64():
        for divergence in (
            kl_upper_bound(q, p),
            kl_lower_bound(q, p),
            kl_upper_bound(p, p),
            kl_lower_bound(p, p),
            kl_variational(p, p),
            kl_divergence(q, GaussianMixture(*parameters(components=1))),
            monte_carlo_kl(q, p, 10).value,
            monte_carlo_kl(p, gaussian(), 10).standard_error,
            weighted.variance,
            marginal(torch.ones(5) / 5, weighted).log_prob(torch.zeros(2, 3)),
            marginals_of(p).variance,
        ):
            assert divergence.dtype == torch.float32


@over_all
def test_no_distribution_needs_float64_on_a_device_without(monkeypatch, cls):
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    p = BUILD[cls](cls, 2)
    with WithoutFloat64():
        density = p.log_prob(p.sample((7,)))
        assert density.dtype == torch.float32
        if cls is ResampledDistribution:
            assert p.log_prob_standard_error(p.sample()).dtype == torch.float32


def test_a_batch_of_one_may_stand_for_none():
    flat = GaussianMixture(torch.zeros(1, 3), torch.randn(1, 3, 2), torch.ones(1, 3, 2))
    p = UnflattenedDistribution(flat, ())
    z = p.sample()
    assert (p.batch_shape, z.shape, p.mean.shape) == ((), (2,), (2,))
    torch.testing.assert_close(p.log_prob(z), flat.log_prob(z)[0])
    assert p.expand((4,)).log_prob(z).shape == (4,)
