"""Divergences: exact, bounded and sampled, against quadrature."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from cases import DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    FactorizedGaussianMixture,
    FlowPrior,
    GaussianMixture,
    MoGPrior,
    StandardPrior,
    VampPrior,
    elbo,
    loss,
)
from priory.distributions import kl_lower_bound, kl_upper_bound, kl_variational, monte_carlo_kl


def gaussians(*batch: int, dims: int = 1, width: float = 0.5, dtype=torch.float64) -> Independent:
    loc = torch.randn(*batch, dims, dtype=dtype)
    scale = width * (0.5 + torch.rand(*batch, dims, dtype=dtype))
    return Independent(Normal(loc, scale), 1)


def mixture(*batch: int, components: int = 4, dims: int = 1, spread: float = 2.0, width=0.7):
    q = gaussians(*batch, components, dims=dims, width=width)
    logits = torch.randn(*batch, components, dtype=torch.float64)
    return GaussianMixture(logits, spread * q.base_dist.loc, q.base_dist.scale)


def quadrature(q, p) -> torch.Tensor:
    """KL(q‖p) by a sum over a dense grid in one or two dimensions, for each member of a batch."""
    dims, cells = q.event_shape[0], {1: 8000, 2: 700}[q.event_shape[0]]
    line = torch.linspace(-14, 14, cells, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(*[line] * dims, indexing="ij"), -1).reshape(-1, dims)
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    points = grid.reshape(-1, *[1] * len(shape), dims).expand(-1, *shape, dims)
    log_q, log_p = q.log_prob(points), p.log_prob(points)
    return (log_q.exp() * (log_q - log_p)).sum(0) * (28 / (cells - 1)) ** dims


def kl_of_pair(a: int, b: int, q, p) -> float:
    """KL of two components, or of a Gaussian and a component, with a loop over dimensions."""
    total = 0.0
    for m, s, mu, sigma in zip(q.loc[a], q.scale[a], p.loc[b], p.scale[b], strict=True):
        m, s, mu, sigma = map(float, (m, s, mu, sigma))
        total += math.log(sigma / s) + (s**2 + (m - mu) ** 2) / (2 * sigma**2) - 0.5
    return total


def overlap_of_pair(a: int, b: int, q, p) -> float:
    """The integral of the product of two components, with a loop over dimensions."""
    total = 1.0
    for m, s, mu, sigma in zip(q.loc[a], q.scale[a], p.loc[b], p.scale[b], strict=True):
        m, s, mu, sigma = map(float, (m, s, mu, sigma))
        v = s**2 + sigma**2
        total *= math.exp(-((m - mu) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
    return total


def closest(value: torch.Tensor, expected: float) -> None:
    assert value.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("dims", [1, 2])
def test_the_divergence_of_a_gaussian_lies_between_its_bounds(dims):
    q, p = gaussians(6, dims=dims), mixture(dims=dims)
    exact = quadrature(q, p)
    upper, lower = kl_upper_bound(q, p), kl_lower_bound(q, p)
    assert (lower <= exact + 1e-9).all()
    assert (exact <= upper + 1e-9).all()
    assert (upper - lower).min() > 1e-3  # neither is the divergence itself
    assert (upper - lower).mean() < 2
    weights = p.logits.exp().tolist()
    for n in range(6):
        entropy = q.entropy()[n].item()
        pairs = range(len(weights))
        jensen = sum(w * math.exp(-kl_of_pair(n, k, q.base_dist, p)) for k, w in enumerate(weights))
        overlap = sum(weights[k] * overlap_of_pair(n, k, q.base_dist, p) for k in pairs)
        closest(upper[n], -math.log(jensen))
        closest(lower[n], -entropy - math.log(overlap))


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("dims", [1, 2])
def test_the_divergence_of_mixtures_lies_between_its_bounds(dims, spread):
    q, p = mixture(components=5, dims=dims, spread=spread), mixture(components=3, dims=dims)
    exact = quadrature(q, p)
    upper, lower = kl_upper_bound(q, p), kl_lower_bound(q, p)
    assert lower <= exact + 1e-9
    assert exact <= upper + 1e-9
    plain = q.logits.exp() @ kl_upper_bound(Independent(Normal(q.loc, q.scale), 1), p)
    assert upper < plain  # convexity alone


def test_bounds_of_mixtures_are_their_equations():
    q, p = mixture(components=3, dims=2, spread=0.5), mixture(components=4, dims=2)
    log_q, log_p = q.logits.tolist(), p.logits.tolist()

    def log_sum(row, other, log_weights, of_pair):
        terms = (math.exp(w) * of_pair(row, b, q, other) for b, w in enumerate(log_weights))
        return math.log(sum(terms))

    def kernel(*pair):
        return math.exp(-kl_of_pair(*pair))

    apart = below = variational = 0.0
    for a, log_weight in enumerate(log_q):
        entropy = sum(math.log(float(s)) + 0.5 * math.log(2 * math.pi * math.e) for s in q.scale[a])
        own, cross = log_sum(a, q, log_q, kernel), log_sum(a, p, log_p, kernel)
        variational += math.exp(log_weight) * (own - cross)
        below += math.exp(log_weight) * (own - entropy - log_sum(a, p, log_p, overlap_of_pair))
        apart += math.exp(log_weight) * (entropy + log_sum(a, q, log_q, overlap_of_pair) - cross)
    closest(kl_variational(q, p), variational)
    closest(kl_lower_bound(q, p), below)
    closest(kl_upper_bound(q, p, num_iterations=0), apart)  # the better where components overlap


def test_pairing_finds_what_is_alike():
    p = mixture(components=6, dims=3)
    order = torch.randperm(6)
    same = GaussianMixture(p.logits[order], p.loc[order], p.scale[order])
    assert kl_upper_bound(same, p, num_iterations=500).item() == pytest.approx(0, abs=1e-5)
    assert kl_variational(same, p).item() == pytest.approx(0, abs=1e-9)
    assert kl_lower_bound(same, p) <= 0
    values = [kl_upper_bound(same, p, num_iterations=n).item() for n in (0, 1, 5, 20)]
    assert values == sorted(values, reverse=True)


def test_the_lower_bound_is_loose_by_what_is_said():
    p = mixture(components=3, dims=4, spread=100.0)
    q = Independent(Normal(p.loc[0], p.scale[0]), 1)
    gap = -p.logits[0] - kl_lower_bound(q, p)
    assert gap.item() == pytest.approx(4 * (1 - math.log(2)) / 2)


def test_the_variational_approximation_is_not_a_bound():
    torch.manual_seed(0)
    signs = set()
    for _ in range(20):
        q, p = mixture(spread=1.0, components=3), mixture(spread=1.0, components=3)
        signs.add(bool(kl_variational(q, p) > quadrature(q, p)))
    assert signs == {True, False}


def test_components_without_weight_change_nothing():
    q, p = mixture(components=3), mixture(components=4)
    far = 1e3 * torch.ones(1, 1, dtype=torch.float64)

    def padded(m):
        logits = torch.cat((m.logits, torch.full((1,), -math.inf, dtype=torch.float64)))
        return GaussianMixture(logits, torch.cat((m.loc, far)), torch.cat((m.scale, far)))

    for bound in (kl_upper_bound, kl_lower_bound, kl_variational):
        torch.testing.assert_close(bound(padded(q), padded(p)), bound(q, p))
    z = gaussians(5)
    for bound in (kl_upper_bound, kl_lower_bound):
        torch.testing.assert_close(bound(z, padded(p)), bound(z, p))


@pytest.mark.parametrize("bound", [kl_upper_bound, kl_lower_bound])
def test_a_batch_of_mixtures_is_bounded_one_by_one(bound):
    q, p = gaussians(5, dims=2), mixture(5, dims=2)
    values = bound(q, p)
    assert values.shape == (5,)
    for n in range(5):
        alone = GaussianMixture(p.logits[n], p.loc[n], p.scale[n])
        one = Independent(Normal(q.base_dist.loc[n], q.base_dist.scale[n]), 1)
        torch.testing.assert_close(values[n], bound(one, alone))
    assert bound(q.expand((3, 5)), p).shape == (3, 5)


@pytest.mark.parametrize("bound", [kl_upper_bound, kl_lower_bound])
def test_bounds_have_the_gradient_of_finite_differences(bound):
    q, p = gaussians(3, dims=2), mixture(components=5, dims=2)

    def value(loc, scale, logits, means, scales):
        one = Independent(Normal(loc, scale), 1)
        return bound(one, GaussianMixture(logits, means, scales, validate_args=False))

    inputs = (q.base_dist.loc, q.base_dist.scale, p.logits, p.loc, p.scale)
    assert torch.autograd.gradcheck(value, [t.clone().requires_grad_() for t in inputs])

    def between(logits, loc, scale, *others):
        return bound(GaussianMixture(logits, loc, scale), GaussianMixture(*others))

    q = mixture(components=3, dims=2)
    inputs = (q.logits, q.loc, q.scale, p.logits, p.loc, p.scale)
    assert torch.autograd.gradcheck(between, [t.clone().requires_grad_() for t in inputs])


def test_parts_make_up_the_whole():
    q, p = gaussians(15_000, dims=3), mixture(components=100, dims=3)  # in two parts
    inputs = [t.requires_grad_() for t in (q.base_dist.loc, q.base_dist.scale, p.loc, p.scale)]
    pieces = zip(*(t.split(5000) for t in inputs[:2]), strict=True)
    few = [kl_lower_bound(Independent(Normal(*piece), 1), p) for piece in pieces]
    values = kl_lower_bound(q, p), torch.cat(few)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value.sum(), inputs) for value in values))


def single(kind, gaussian):
    loc, scale = gaussian.base_dist.loc.unsqueeze(-2), gaussian.base_dist.scale.unsqueeze(-2)
    return kind(loc.new_zeros(1), loc, scale)


@pytest.mark.parametrize("kind", [GaussianMixture, FactorizedGaussianMixture])
def test_a_single_component_has_a_closed_form(kind):
    q, p = gaussians(4, dims=2), gaussians(4, dims=2, width=1.0)
    exact = kl_divergence(q, p)
    for one, other in [
        (q, single(kind, p)),
        (single(kind, q), p),
        (single(kind, q), single(GaussianMixture, p)),
        (single(kind, q), single(FactorizedGaussianMixture, p)),
    ]:
        torch.testing.assert_close(kl_divergence(one, other), exact)
    for bound in (kl_upper_bound, kl_lower_bound):
        torch.testing.assert_close(bound(q, single(kind, p)), exact)
        torch.testing.assert_close(bound(q, p), exact)
    with pytest.raises(NotImplementedError, match=f"type {kind.__name__} with several"):
        kl_divergence(q, kind(torch.zeros(3), torch.zeros(3, 2), torch.ones(3, 2)))
    laplace = Independent(torch.distributions.Laplace(torch.zeros(2), torch.ones(2)), 1)
    with pytest.raises(NotImplementedError, match="q is of type Independent;"):
        kl_divergence(laplace, single(kind, gaussians(dims=2)))


def test_bounds_of_other_distributions_are_refused():
    q, p = gaussians(4, dims=2), mixture(dims=2)
    flow = FlowPrior(2, "NSF", {"transforms": 1, "hidden_features": [4]})()
    for bound in (kl_upper_bound, kl_lower_bound):
        with pytest.raises(NotImplementedError, match="p is a TransformedNoise"):
            bound(q, flow)
        with pytest.raises(NotImplementedError, match="q is a FactorizedGaussianMixture"):
            bound(FactorizedGaussianMixture(p.logits, p.loc, p.scale), p)
        with pytest.raises(NotImplementedError, match="one by one"):
            bound(mixture(3, dims=2), p)


@pytest.mark.parametrize("strata", [True, False])
def test_samples_estimate_the_divergence_with_an_honest_error(strata):
    q, p = mixture(components=5), mixture(components=3)
    exact = quadrature(q, p)
    plain = q if strata else Independent(q, 0)  # which hides the strata
    runs = [monte_carlo_kl(plain, p, 50) for _ in range(400)]
    values = torch.stack([run.value for run in runs])
    errors = torch.stack([run.standard_error for run in runs])
    assert (values.mean() - exact).abs() < 5 * values.std() / 20
    assert values.std().item() == pytest.approx(errors.square().mean().sqrt().item(), rel=0.2)


def test_strata_lower_the_error_of_an_aggregated_posterior():
    q = mixture(components=30, spread=5.0, width=0.1)
    p = StandardPrior(1)().expand(())
    strata, plain = monte_carlo_kl(q, p, 3000), monte_carlo_kl(Independent(q, 0), p, 3000)
    assert strata.standard_error < 0.5 * plain.standard_error
    assert (strata.value - quadrature(q, p)).abs() < 5 * strata.standard_error
    assert monte_carlo_kl(q, p, 20).value.shape == ()  # fewer samples than strata
    batch = monte_carlo_kl(gaussians(6), p, 500)
    assert batch.value.shape == batch.standard_error.shape == (6,)
    with pytest.raises(ValueError, match="num_samples=1"):
        monte_carlo_kl(q, p, 1)


X = torch.tensor([[0.0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1]])


@pytest.mark.parametrize("prior", [MoGPrior(2, 5), VampPrior(5, DATA_SHAPE)])
def test_the_rate_can_be_bounded(prior):
    vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), prior)
    sampled = elbo(vae, X, 5000).rate
    upper, lower = (elbo(vae, X, kl=kl).rate for kl in ("upper", "lower"))
    assert (lower < sampled + 0.02).all()
    assert (sampled < upper + 0.02).all()
    loss(vae, X, kl="upper").backward()
    assert all(weight.grad.isfinite().all() for weight in vae.parameters())
    with pytest.raises(ValueError, match="got 'above'"):
        elbo.__wrapped__(vae, X, kl="above")
