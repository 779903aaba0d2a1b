"""Our mixtures under torch.func, forward mode and batched gradients, beside torch's own mixture."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.func import (
    functional_call,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)

from priory import FactorizedGaussianMixture, GaussianMixture, MoGPrior
from priory.distributions import (
    ResampledDistribution,
    kl_lower_bound,
    kl_upper_bound,
    kl_variational,
    marginal,
    marginals_of,
)
from priory.distributions.torch_distributions import without_argument_checks


def torch_log_prob(logits, loc, scale, z):
    component = Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, component, validate_args=False).log_prob(z)


def torch_factorized_log_prob(logits, loc, scale, z):
    component = Normal(loc.mT, scale.mT, validate_args=False)
    logits = logits.unsqueeze(-2).expand(component.batch_shape)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, component, validate_args=False).log_prob(z).sum(-1)


def our_log_prob(mixture):
    def log_prob(logits, loc, scale, z):
        return mixture(logits, loc, scale, validate_args=False).log_prob(z)

    return log_prob


PAIRS = {
    "mixture": (our_log_prob(GaussianMixture), torch_log_prob),
    "factorized": (our_log_prob(FactorizedGaussianMixture), torch_factorized_log_prob),
}


def by_dual_numbers(f, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, x.sin()))).tangent


def by_batched_gradients(f, x):
    x = x.clone().requires_grad_()
    out = f(x)
    vectors = torch.randn(3, *out.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad(out, x, vectors, is_grads_batched=True)[0]


def by_vmapped_backward(f, x):
    x = x.clone().requires_grad_()
    out = f(x)
    vectors = torch.randn(3, *out.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    return vmap(lambda v: torch.autograd.grad(out, x, v, retain_graph=True)[0])(vectors)


def functional(name, **options):
    function = getattr(torch.autograd.functional, name)
    return lambda f, x: function(lambda x: f(x).sum() if name == "hessian" else f(x), x, **options)


TRANSFORMS = {
    "jacfwd": lambda f, x: jacfwd(f)(x),
    "jacrev": lambda f, x: jacrev(f)(x),
    "hessian": lambda f, x: hessian(f)(x),
    "grad": lambda f, x: grad(lambda x: f(x).sum())(x),
    "grad of grad": lambda f, x: grad(lambda x: grad(lambda x: f(x).sum())(x).square().sum())(x),
    "jvp": lambda f, x: torch.stack(jvp(f, (x,), (x.cos(),))),
    "vjp": lambda f, x: vjp(f, x)[1](f(x).cos())[0],
    "jvp of grad": lambda f, x: jvp(grad(lambda x: f(x).sum()), (x,), (x.cos(),))[1],
    "dual numbers": by_dual_numbers,
    "batched gradients": by_batched_gradients,
    "vmapped backward": by_vmapped_backward,
    "vectorized": functional("jacobian", vectorize=True),
    "forward": functional("jacobian", vectorize=True, strategy="forward-mode"),
    "functional hessian": functional("hessian", vectorize=True),
    "forward hessian": functional(
        "hessian", vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
}
EACH = {
    "vmap": lambda f: vmap(f),
    "vmap of grad": lambda f: vmap(grad(f)),
    "vmap of hessian": lambda f: vmap(hessian(f)),
    "vmap of jacfwd": lambda f: vmap(jacfwd(f)),
    "vmap of vmap": lambda f: lambda x: vmap(vmap(f))(torch.stack((x, 2 * x))),
    "chunks": lambda f: vmap(f, chunk_size=2),
    "middle": lambda f: lambda x: vmap(f, in_dims=1)(x.movedim(0, 1)),
}
SHAPES = {"small": (3, 2), "large": (300, 4)}  # the second is worked out in blocks


def arguments(components, dims, points, dtype, *batch):
    torch.manual_seed(2)
    return (
        torch.randn(*batch, components, dtype=dtype).log_softmax(-1),
        torch.randn(*batch, components, dims, dtype=dtype),
        torch.rand(*batch, components, dims, dtype=dtype) + 0.3,
        torch.randn(points, dims, dtype=dtype),
    )


def assert_agree(actual, expected, dtype):
    """Torch's are worked out in float64, so that what is measured is our own rounding."""
    bound = (1e-6 if dtype == torch.float32 else 1e-10) * max(1.0, expected.abs().max().item())
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.double(), expected, atol=bound, rtol=0)


# Torch's own forward mode warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script")
over_pairs = pytest.mark.parametrize("pair", PAIRS)
over_shapes = pytest.mark.parametrize("shape", SHAPES)
over_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])


@over_types
@over_shapes
@over_pairs
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_over_points_and_over_parameters(name, pair, shape, dtype):
    ours, theirs = PAIRS[pair]
    values = arguments(*SHAPES[shape], 4, dtype)
    wide = [t.double() for t in values]
    indices = range(4) if shape == "small" else (3, 1)
    if (shape, "hessian" in name) == ("large", True):
        indices = (3,)  # that of the means would have 1200² numbers
    for index in indices:

        def at(f, others, index=index):
            return lambda x: f(*others[:index], x, *others[index + 1 :])

        actual = TRANSFORMS[name](at(ours, values), values[index])
        assert_agree(actual, TRANSFORMS[name](at(theirs, wide), wide[index]), dtype)


@over_types
@over_shapes
@over_pairs
@pytest.mark.parametrize("name", EACH)
def test_vmap_over_points_and_over_parameters(name, pair, shape, dtype):
    ours, theirs = PAIRS[pair]
    logits, loc, scale, z = arguments(*SHAPES[shape], 4, dtype)
    wide = [t.double() for t in (logits, loc, scale, z)]
    actual = EACH[name](lambda z: ours(logits, loc, scale, z))(z)
    assert_agree(actual, EACH[name](lambda z: theirs(*wide[:3], z))(wide[3]), dtype)
    if (name, shape) == ("vmap of hessian", "large"):
        return  # it would have 1200² numbers for each mixture
    stack = torch.stack((loc, loc + 1, loc - 1))
    actual = EACH[name](lambda loc: ours(logits, loc, scale, z[0]))(stack)
    expected = EACH[name](lambda loc: theirs(wide[0], loc, wide[2], wide[3][0]))(stack.double())
    assert_agree(actual, expected, dtype)


@over_pairs
def test_vmap_over_batches_of_mixtures_and_weights_of_each_point(pair):
    ours, theirs = PAIRS[pair]
    logits, loc, scale, z = arguments(5, 2, 7, torch.float64, 3, 7)
    apart = vmap(ours)(logits, loc, scale, z.expand(3, 7, 2))
    torch.testing.assert_close(apart, theirs(logits, loc, scale, z))
    shared = vmap(ours, in_dims=(0, None, None, None))(logits, loc[0, 0], scale[0, 0], z)
    whole = theirs(logits, loc[0, 0].expand(3, 7, 5, 2), scale[0, 0].expand(3, 7, 5, 2), z)
    torch.testing.assert_close(shared, whole)


MIXTURES = [GaussianMixture, FactorizedGaussianMixture]
over_mixtures = pytest.mark.parametrize("mixture", MIXTURES)


@over_mixtures
def test_moments_responsibilities_and_samples_of_stacked_mixtures(mixture):
    logits, loc, scale, z = arguments(4, 3, 5, torch.float64, 6)

    def each(ask, **options):
        one = lambda *parameters: ask(mixture(*parameters, validate_args=False))  # noqa: E731
        return vmap(one, **options)(logits, loc, scale)

    batch = mixture(logits, loc, scale)
    torch.testing.assert_close(each(lambda p: p.mean), batch.mean)
    torch.testing.assert_close(each(lambda p: p.variance), batch.variance)
    actual = each(lambda p: p.responsibilities(z))
    torch.testing.assert_close(actual, batch.responsibilities(z.unsqueeze(1)).transpose(0, 1))
    actual = each(lambda p: p.expand((5,)).log_prob(z))
    torch.testing.assert_close(actual, batch.log_prob(z.unsqueeze(1)).T)
    draws = each(lambda p: p.sample((20_000,)), randomness="different")  # (6, 20000, 3)
    error = (draws.mean(1) - batch.mean).abs() / (batch.variance / 20_000).sqrt()
    assert error.max() < 5


@over_mixtures
def test_responsibilities_have_tangents(mixture):
    logits, loc, scale, z = arguments(4, 3, 5, torch.float64)
    p = mixture(logits, loc, scale)
    actual = by_dual_numbers(p.responsibilities, z)
    small = 1e-6
    above, below = (p.responsibilities(z + step * z.sin()) for step in (small, -small))
    torch.testing.assert_close(actual, (above - below) / (2 * small), atol=1e-8, rtol=1e-6)


@pytest.fixture
def unchecked():
    with without_argument_checks():  # which early releases of torch cannot do under vmap
        yield


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("mixture", ["joint", "factorized"])
@pytest.mark.parametrize("components", [5, 400])
def test_ensembles_and_gradients_of_each_example(components, mixture):
    priors = [MoGPrior(3, components, mixture=mixture).double() for _ in range(3)]
    parameters, buffers = stack_module_state(priors)
    z = torch.randn(6, 3, dtype=torch.float64)

    def log_prob(parameters, buffers, z):
        return functional_call(priors[0], (parameters, buffers), ()).log_prob(z)

    together = vmap(log_prob, in_dims=(0, 0, None))(parameters, buffers, z)
    torch.testing.assert_close(together, torch.stack([prior().log_prob(z) for prior in priors]))

    one = dict(priors[0].named_parameters())
    each = vmap(grad(log_prob), in_dims=(None, None, 0))(one, {}, z)
    for i, point in enumerate(z):
        expected = torch.autograd.grad(priors[0]().log_prob(point), list(one.values()))
        for name, gradient in zip(one, expected, strict=True):
            torch.testing.assert_close(each[name][i], gradient)


@pytest.mark.usefixtures("unchecked")
def test_what_is_built_over_the_kernel_follows():
    logits, loc, scale, z = arguments(4, 3, 5, torch.float64)
    p = GaussianMixture(logits, loc, scale, validate_args=False)

    def gaussian(mean):
        normal = Normal(mean, torch.ones_like(mean), validate_args=False)
        return Independent(normal, 1, validate_args=False)

    for bound in (kl_upper_bound, kl_lower_bound):
        each = vmap(lambda mean, bound=bound: bound(gaussian(mean), p))(z)
        torch.testing.assert_close(each, bound(gaussian(z), p))
        slopes = vmap(grad(lambda mean, bound=bound: bound(gaussian(mean), p)))(z)
        whole = grad(lambda mean, bound=bound: bound(gaussian(mean), p).sum())(z)
        torch.testing.assert_close(slopes, whole)
    stacked = torch.stack((logits, logits.flip(0), logits.masked_fill(logits < -1.5, -torch.inf)))
    for divergence in (kl_upper_bound, kl_lower_bound, kl_variational):

        def of(logits, divergence=divergence):
            return divergence(GaussianMixture(logits, loc + 1, scale, validate_args=False), p)

        torch.testing.assert_close(vmap(of)(stacked), torch.stack([of(one) for one in stacked]))
        torch.testing.assert_close(vmap(grad(of))(stacked[:2])[0], grad(of)(stacked[0]))
    torch.testing.assert_close(
        vmap(lambda point: marginals_of(p).log_prob(point.unsqueeze(-1)))(z),
        marginals_of(p).log_prob(z.unsqueeze(-1)),
    )
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    both = marginal(weights, GaussianMixture(logits.expand(2, -1), torch.stack((loc, -loc)), scale))
    torch.testing.assert_close(vmap(both.log_prob)(z), both.log_prob(z))
    noise = p.sample((50,))
    resampled = ResampledDistribution(p, lambda z: z[..., 0], 10, noise)
    torch.testing.assert_close(vmap(resampled.log_prob)(z), resampled.log_prob(z))


def torch_checks_values_under_vmap():
    try:
        vmap(lambda loc: Normal(loc, 1.0, validate_args=True).mean)(torch.zeros(2))
    except RuntimeError:
        return False
    return True


@pytest.mark.skipif(not torch_checks_values_under_vmap(), reason="no distribution of torch does")
@over_mixtures
def test_arguments_are_checked_under_vmap(mixture):
    logits, loc, scale, z = arguments(4, 3, 5, torch.float32, 6)
    actual = vmap(lambda *parameters: mixture(*parameters).log_prob(z))(logits, loc, scale)
    torch.testing.assert_close(actual, mixture(logits, loc, scale).log_prob(z.unsqueeze(1)).T)
    with pytest.raises(ValueError, match="scale"):
        vmap(lambda *parameters: mixture(*parameters).log_prob(z))(logits, loc, -scale)
    p = MoGPrior(2, 10)()
    z = torch.randn(5, 2)
    torch.testing.assert_close(vmap(grad(p.log_prob))(z), grad(lambda z: p.log_prob(z).sum())(z))
