"""The mixtures as distributions of torch."""

import pytest
import torch
from torch.distributions import Independent, Normal

from cases import mixture_log_prob
from priory import FactorizedGaussianMixture, GaussianMixture
from priory.distributions import loc_and_scale

both = pytest.mark.parametrize("mixture", [GaussianMixture, FactorizedGaussianMixture])


def parameters(*batch: int, components: int = 4, dims: int = 3):
    return (
        torch.randn(*batch, components),
        2 * torch.randn(*batch, components, dims),
        torch.rand(*batch, components, dims) + 0.3,
    )


@both
def test_batches_of_mixtures_are_each_their_own(mixture):
    logits, loc, scale = parameters(2, 5)
    p = mixture(logits, loc, scale)
    assert p.batch_shape == (2, 5)
    assert p.event_shape == (3,)
    z = torch.randn(7, 2, 5, 3)
    actual = p.log_prob(z)
    assert actual.shape == (7, 2, 5)
    factorized = mixture is FactorizedGaussianMixture
    for i, j in [(0, 0), (1, 3)]:
        expected = mixture_log_prob(
            z[6, i, j].tolist(), logits[i, j], loc[i, j], scale[i, j], factorized
        )
        assert actual[6, i, j].item() == pytest.approx(expected, abs=1e-4)


@both
def test_parameters_broadcast(mixture):
    logits, loc, scale = parameters(6)
    p = mixture(logits[0], loc, scale[:, :1])
    assert p.batch_shape == (6,)
    whole = mixture(logits[0].expand(6, 4), loc, scale[:, :1].expand(6, 4, 3))
    z = torch.randn(6, 3)
    torch.testing.assert_close(p.log_prob(z), whole.log_prob(z))
    assert p.sample((2,)).shape == (2, 6, 3)


@both
def test_expand_repeats_the_mixture(mixture):
    p = mixture(*parameters())
    wide = p.expand((5, 2))
    assert isinstance(wide, mixture)
    assert (wide.batch_shape, wide.event_shape) == ((5, 2), (3,))
    z = torch.randn(5, 2, 3)
    torch.testing.assert_close(wide.log_prob(z), p.log_prob(z))
    torch.testing.assert_close(wide.mean, p.mean.expand(5, 2, 3))
    assert wide.sample((4,)).shape == (4, 5, 2, 3)
    assert wide.responsibilities(z).shape[:2] == (5, 2)


@both
@pytest.mark.parametrize("weights", [(6,), (2, 1), (2, 6)])
@pytest.mark.parametrize("components", [(), (6,), (1, 6)])
def test_weights_of_their_own_over_shared_components(mixture, weights, components):
    logits = torch.randn(*weights, 4)
    _, loc, scale = parameters(*components)
    p = mixture(logits, loc, scale)
    batch = torch.broadcast_shapes(weights, components)
    whole = mixture(*(t.expand(*batch, *t.shape[-n:]) for n, t in ((1, logits), (2, loc))), scale)
    copies = mixture(whole.logits.contiguous(), whole.loc.contiguous(), whole.scale.contiguous())
    assert p.batch_shape == batch
    assert p.loc.shape == p.scale.shape == (*batch, 4, 3)
    for z in (torch.randn(5, *batch, 3), torch.randn(3)):
        torch.testing.assert_close(p.log_prob(z), copies.log_prob(z))
        torch.testing.assert_close(p.responsibilities(z), copies.responsibilities(z))
    torch.testing.assert_close(p.mean, copies.mean)
    torch.testing.assert_close(p.variance, copies.variance)
    torch.manual_seed(3)
    z = p.sample((5,))
    torch.manual_seed(3)
    assert copies.sample((5,)).equal(z)


@both
def test_moments_agree_with_samples(mixture):
    p = mixture(*parameters(2))
    z = p.sample((200_000,))
    error = z.std(0) / 200_000**0.5
    assert ((z.mean(0) - p.mean).abs() < 5 * error).all()
    torch.testing.assert_close(z.var(0), p.variance, rtol=0.03, atol=0)
    torch.testing.assert_close(p.stddev, p.variance.sqrt())


def test_responsibilities_are_bayes_rule():
    logits, loc, scale = parameters()
    p = GaussianMixture(logits, loc, scale)
    z = torch.randn(6, 3)
    parts = Independent(Normal(loc, scale), 1).log_prob(z.unsqueeze(1)) + logits
    torch.testing.assert_close(p.responsibilities(z), parts.softmax(-1))


def test_responsibilities_in_blocks_agree_with_the_direct_form():
    logits, loc, scale = parameters(components=700, dims=5)
    p = GaussianMixture(logits, loc, scale)
    z = torch.randn(3, 11, 5)
    direct = p.responsibilities(z.clone().requires_grad_())
    assert direct.requires_grad
    torch.testing.assert_close(p.responsibilities(z), direct.detach(), rtol=1e-4, atol=1e-7)


def test_factorized_responsibilities_are_per_dimension():
    logits, loc, scale = parameters()
    z = torch.randn(6, 3)
    actual = FactorizedGaussianMixture(logits, loc, scale).responsibilities(z)
    parts = Normal(loc, scale).log_prob(z.unsqueeze(1)) + logits.unsqueeze(-1)  # (6, K, L)
    torch.testing.assert_close(actual, parts.softmax(1).mT)


@both
def test_weights_of_zero_are_never_drawn_and_carry_no_gradient_of_nan(mixture):
    logits, loc, scale = parameters()
    logits[1] = -torch.inf
    loc[1] = 1e4
    leaves = [t.requires_grad_() for t in (logits.clone(), loc.clone(), scale.clone())]
    p = mixture(*leaves)
    assert p.sample((1000,)).abs().max() < 100
    p.log_prob(torch.randn(5, 3)).sum().backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves)


@both
def test_arguments_are_validated_as_torch_does(mixture):
    logits, loc, scale = parameters()
    with pytest.raises(ValueError, match="scale"):
        mixture(logits, loc, -scale)
    with pytest.raises(ValueError, match="loc"):
        mixture(logits, loc * torch.nan, scale)
    with pytest.raises(ValueError, match="logits"):
        mixture(torch.full((4,), -torch.inf), loc, scale)
    with pytest.raises(ValueError, match=r"expected logits of shape"):
        mixture(logits, loc[0], scale[0])
    with pytest.raises(ValueError, match="size"):
        mixture(logits, loc, scale).log_prob(torch.zeros(5, 7))
    assert mixture(logits, loc, -scale, validate_args=False).event_shape == (3,)


@both
def test_no_points_have_no_densities(mixture):
    p = mixture(*parameters(components=900, dims=40), validate_args=False)
    z = torch.zeros(0, 40, requires_grad=True)
    p.log_prob(z).sum().backward()
    assert z.grad.shape == p.sample((0,)).shape == (0, 40)
    assert len(p.log_prob(z)) == len(p.responsibilities(z.detach())) == 0


def test_one_dimension_is_the_same_either_way():
    arguments = parameters(dims=1)
    z = torch.randn(9, 1)
    joint, product = GaussianMixture(*arguments), FactorizedGaussianMixture(*arguments)
    torch.testing.assert_close(joint.log_prob(z), product.log_prob(z))


def test_only_diagonal_gaussians_have_loc_and_scale():
    normal = Normal(torch.zeros(3, 2), torch.ones(3, 2))
    assert loc_and_scale(Independent(normal, 1))[1].shape == (3, 2)
    for other in (normal, Independent(normal, 2), GaussianMixture(*parameters())):
        with pytest.raises(TypeError, match="diagonal Gaussian") as caught:
            loc_and_scale(other)
        assert len(str(caught.value)) < 250
