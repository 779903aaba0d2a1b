"""Gradients against finite differences in double precision."""

import torch
from torch.func import functional_call

from cases import Case, make_encoder, over_cases


@over_cases
def test_gradients_in_z_and_every_parameter(case: Case):
    prior, encoder = case.build().double(), make_encoder().double()
    names = [name for name, _ in prior.named_parameters()]
    z = torch.randn(4, max(1, len(case.labels)), 2, dtype=torch.float64, requires_grad=True)
    values = [p.detach().clone().requires_grad_() for p in prior.parameters()]

    def log_prob(z, *values):
        given = (encoder, case.context)
        return functional_call(prior, dict(zip(names, values, strict=True)), given).log_prob(z)

    assert torch.autograd.gradcheck(log_prob, (z, *values))


@over_cases
def test_every_parameter_learns(case: Case):
    prior, encoder = case.build(), make_encoder()
    z = torch.randn(8, max(1, len(case.labels)), 2, requires_grad=True)
    prior(encoder, case.context).log_prob(z).sum().backward()
    for name, parameter in prior.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@over_cases
def test_the_encoder_learns_through_the_priors_that_encode(case: Case):
    prior, encoder = case.build().double(), make_encoder().double()
    z = torch.randn(4, max(1, len(case.labels)), 2, dtype=torch.float64, requires_grad=True)
    prior(encoder, case.context).log_prob(z).sum().backward()
    weight = encoder.network.layers[0].weight
    if not case.encodes:
        assert weight.grad is None
        return
    step = 1e-6
    with torch.no_grad():
        weight[0, 0] += step
        above = prior(encoder, case.context).log_prob(z).sum()
        weight[0, 0] -= 2 * step
        below = prior(encoder, case.context).log_prob(z).sum()
    assert weight.grad[0, 0] != 0
    torch.testing.assert_close(
        weight.grad[0, 0], (above - below) / (2 * step), rtol=1e-5, atol=1e-8
    )
