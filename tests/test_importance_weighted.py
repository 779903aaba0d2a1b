"""The importance-weighted bound, its gradients, and shares of a batch."""

import pytest
import torch
from torch import nn

from cases import DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    StandardPrior,
    VampPrior,
    elbo,
    importance_weighted_loss,
    log_weights,
    loss,
)
from priory.training.epoch import SharedNoise


def small_vae(prior: nn.Module) -> VAE:
    return VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), prior)


def test_the_doubly_reparameterised_gradient_has_the_mean_of_the_plain_one():
    torch.manual_seed(0)
    vae = small_vae(VampPrior(3, (4,)))
    x = torch.rand(2, 4).round()

    def gradient(kind):
        vae.zero_grad()
        x_many = x.repeat(6000, 1)
        importance_weighted_loss(vae, x_many, 3, gradient=kind).backward()
        return {name: p.grad.clone() for name, p in vae.named_parameters()}

    plain, twice = gradient("reparameterised"), gradient("doubly-reparameterised")
    for name in plain:
        assert twice[name].allclose(plain[name], atol=0.02 + 0.05 * plain[name].abs().max())


def test_the_doubly_reparameterised_gradient_is_less_noisy():
    torch.manual_seed(0)
    vae = small_vae(StandardPrior(2))
    x = torch.rand(1, 4).round()

    def noise(kind):
        draws = []
        for _ in range(60):
            vae.zero_grad()
            importance_weighted_loss(vae, x, 64, gradient=kind).backward()
            draws.append(torch.cat([p.grad.flatten() for p in vae.encoder.parameters()]))
        return torch.stack(draws).std(0).mean()

    assert noise("doubly-reparameterised") < 0.7 * noise("reparameterised")


def test_the_importance_weighted_bound_is_the_log_mean_of_the_weights():
    vae = small_vae(StandardPrior(2))
    x = torch.rand(5, 4).round()
    torch.manual_seed(3)
    value = importance_weighted_loss(vae, x, 7)
    torch.manual_seed(3)
    weights = log_weights(vae, x, 7)
    assert value.item() == pytest.approx(-(weights.exp().mean(0).log().mean()).item(), rel=1e-5)
    with pytest.raises(ValueError, match="at least one sample"):
        importance_weighted_loss(vae, x, 0)


@pytest.mark.parametrize("objective", [importance_weighted_loss, loss])
def test_networks_in_half_precision_give_about_the_same(objective):
    torch.manual_seed(0)
    vae = small_vae(VampPrior(3, (4,)))
    x = torch.rand(1000, 4).round()

    def gradient(enabled):
        vae.zero_grad()
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            value = objective(vae, x, 3)
        value.backward()
        return value.item(), {name: p.grad.clone() for name, p in vae.named_parameters()}

    with torch.autocast("cpu", torch.bfloat16):
        assert vae.posterior(x).mean.dtype == torch.float32
        assert vae.likelihood(vae.posterior(x).mean).mean.dtype == torch.float32
    (whole, exact), (half, near) = gradient(False), gradient(True)
    assert half == pytest.approx(whole, rel=0.02)
    for name in exact:
        assert (near[name] - exact[name]).norm() < 0.1 * exact[name].norm()


def test_shares_of_a_batch_draw_its_noise():
    vae = small_vae(StandardPrior(2))
    x = torch.rand(5, 4).round()

    def terms(part, start=0):
        torch.manual_seed(1)
        return elbo(vae, part, 3, sampler=SharedNoise(start, total=5))

    whole = terms(x)
    shares = [terms(x[:2]), terms(x[2:], start=2)]
    assert torch.cat([share.rate for share in shares]).allclose(whole.rate, atol=1e-6)
    assert torch.cat([s.reconstruction for s in shares]).allclose(whole.reconstruction, atol=1e-5)


def test_the_bound_is_exact_in_the_type_of_the_inputs():
    vae, x, count = small_vae(StandardPrior(2)).double(), torch.ones(5, *DATA_SHAPE).double(), 7
    torch.manual_seed(0)
    bound = -importance_weighted_loss(vae, x, count)
    torch.manual_seed(0)
    weights = log_weights(vae, x, count)
    expected = (weights.logsumexp(0) - torch.tensor(7.0, dtype=torch.float64).log()).mean()
    assert abs((bound - expected).item()) < 1e-12
