"""The optimiser for matrices."""

import copy
import math

import pytest
import torch
from torch import nn

import priory
from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, VampPrior
from priory.training import Muon


def make_vae() -> VAE:
    torch.manual_seed(0)
    prior = VampPrior(num_components=3, data_shape=(9,), data_range=(0.0, 1.0))
    encoder = GaussianEncoder(MLP((9,), (4,), (12,)), prior.data_range)
    return VAE(encoder, BernoulliDecoder(MLP((2,), (9,), (12,))), prior)


def gradients(vae: VAE, x: torch.Tensor) -> None:
    vae.zero_grad()
    torch.manual_seed(1)
    priory.loss(vae, x).backward()


@pytest.mark.parametrize("processor", ["AVX2", "AVX512"])
def test_a_step_turns_matrices_by_their_singular_vectors_and_the_rest_as_adam_does(
    processor, monkeypatch
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    vae, x, rate = make_vae(), (torch.rand(20, 9) < 0.5).float(), 1e-3
    before = copy.deepcopy(vae)
    gradients(vae, x)
    Muon(vae, rate).step()
    matrices = {
        m.weight
        for net in (vae.encoder, vae.decoder)
        for m in net.modules()
        if isinstance(m, nn.Linear)
    }
    assert len(matrices) == 4
    for start, end in zip(before.parameters(), vae.parameters(), strict=True):
        moved = (start - end).detach().double()
        if end in matrices:
            u, size, vh = torch.linalg.svd(end.grad.double(), full_matrices=False)
            large = size > 0.02 * size.norm()  # smaller ones it does not lift to one
            u, vh = u[:, large], vh[large]
            within = u.T @ moved @ vh.T / (0.2 * rate * math.sqrt(max(end.shape)))
            assert within.diagonal().sub(1).abs().max() < 0.5
            rounding = 1e-3 if processor == "AVX2" else 0.1
            assert (within - within.diagonal().diag()).abs().max() < rounding
        else:
            torch.testing.assert_close(
                moved, rate * end.grad.double().sign(), atol=1e-4 * rate, rtol=0
            )


def test_weight_decay_shrinks_the_matrices_of_networks_alone():
    plain, shrunk, x = make_vae(), make_vae(), (torch.rand(20, 9) < 0.5).float()
    before = copy.deepcopy(plain)
    rate, decay = 1e-2, 3.0
    for vae, optimizer in ((plain, Muon(plain, rate)), (shrunk, Muon(shrunk, rate, decay))):
        gradients(vae, x)
        optimizer.step()
    named = {name for name, p in plain.named_parameters() if p.dim() == 2 and "prior" not in name}
    assert len(named) == 4
    for (name, start), a, b in zip(
        before.named_parameters(), plain.parameters(), shrunk.parameters(), strict=True
    ):
        torch.testing.assert_close(a - b, rate * decay * start if name in named else 0 * start)


def test_its_state_is_all_that_it_needs_to_go_on():
    x = (torch.rand(20, 9) < 0.5).float()
    one = make_vae()
    first = Muon(one, 1e-2)
    for _ in range(3):
        gradients(one, x)
        first.step()
    other = copy.deepcopy(one)
    second = Muon(other, 1.0)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for vae, optimizer in ((one, first), (other, second)):
        for group in optimizer.param_groups:
            group["lr"] *= 0.5  # as a schedule does
        for _ in range(2):
            gradients(vae, x)
            optimizer.step()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert a.equal(b)


def test_it_takes_networks_with_matrices_alone():
    vae = make_vae()
    vae.encoder = vae.decoder = nn.Identity()
    with pytest.raises(ValueError, match="with linear layers for the optimiser muon, got none"):
        Muon(vae, 1e-3)
