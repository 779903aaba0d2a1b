"""The mixture kernel against float64 sums of the direct form, at the extremes it is made for."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from priory import FactorizedGaussianMixture, GaussianMixture
from priory.distributions.mixture import blocks, kernel

NAMES = ("z", "logits", "loc", "scale")


def reference(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, grad: Tensor):
    """The log-density and, for each gradient, its value and the sum of the batch's absolute parts.

    Written as plain sums in float64, a few points at a time.
    """
    z, logits, loc, scale, grad = (t.detach().double() for t in (z, logits, loc, scale, grad))
    norm = scale.log().sum(-1) + 0.5 * loc.shape[-1] * math.log(2 * math.pi)
    density = z.new_empty(len(z))
    grads = [torch.zeros_like(t) for t in (z, logits, loc, scale)]
    sizes = [torch.zeros_like(t) for t in (z, logits, loc, scale)]
    for b, point in enumerate(z):
        offset = (point - loc) / scale
        joint = logits - norm - 0.5 * offset.square().sum(-1)
        density[b] = joint.logsumexp(0)
        weight = (grad[b] * (joint - density[b]).exp())[:, None]
        towards = weight * offset / scale
        parts = (None, weight[:, 0], towards, weight * (offset.square() - 1) / scale)
        grads[0][b], sizes[0][b] = -towards.sum(0), towards.abs().sum(0)
        for index in (1, 2, 3):
            grads[index] += parts[index]
            sizes[index] += parts[index].abs()
    return density, grads, sizes


def check(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Hold the density and all gradients to the bounds, and return the density."""
    inputs = [t.detach().requires_grad_() for t in (z, logits, loc, scale)]
    grad = torch.randn(len(z), dtype=z.dtype)
    actual = kernel.log_prob(*inputs)
    grads = torch.autograd.grad(actual, inputs, grad)
    expected, expected_grads, sizes = reference(*inputs, grad)
    error = (actual.double() - expected).abs()
    if z.dtype == torch.float64:
        assert (error <= 1e-9 * expected.abs()).all(), error.max()
    else:
        assert (error <= 1e-4 + 2**-23 * expected.abs()).all(), error.max()
    for name, g, e, size in zip(NAMES, grads, expected_grads, sizes, strict=True):
        excess = (g.double() - e).abs() - 1e-5 * size - torch.finfo(g.dtype).tiny
        assert (excess <= 0).all(), f"gradient of {name} is off by {excess.max()}"
    return actual.detach()


def mixture(b, k, dims, scale=(0.1, 1.0), spread=1.0, dtype=torch.float32):
    """Points near the components of a random mixture with log-uniform scales."""
    low, high = (torch.tensor(s).log() for s in scale)
    loc = (spread * (2 * torch.rand(k, dims) - 1)).to(dtype)
    widths = torch.exp(low + (high - low) * torch.rand(k, dims)).to(dtype)
    near = torch.randint(k, (b,))
    z = loc[near] + widths[near] * torch.randn(b, dims, dtype=dtype)
    return z, torch.randn(k).log_softmax(0).to(dtype), loc, widths


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 1), (64, 16, 2), (1, 700, 9), (40, 300, 40)])
def test_ordinary_mixtures(shape, dtype):
    check(*mixture(*shape, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dims", [1, 40, 512])
@pytest.mark.parametrize(
    ("scale", "spread"),
    [((1e-3, 1e-3), 100.0), ((1e-3, 1e2), 100.0), ((1e-2, 1e-2), 10.0), ((1e2, 1e2), 100.0)],
)
def test_extreme_scales_and_means(scale, spread, dims, dtype):
    check(*mixture(20, 60, dims, scale, spread, dtype))


@pytest.mark.parametrize("centre", [0.0, 100.0])
def test_overlapping_narrow_components(centre):
    z, logits, loc, scale = mixture(30, 200, 10, scale=(1e-3, 2e-3), spread=1e-3)
    check(z + centre, logits, loc + centre, scale)


@pytest.mark.parametrize("dims", [1, 20])
def test_a_hundred_thousand_components(dims):
    check(*mixture(6, 100_000, dims, scale=(1e-2, 1.0), spread=3.0))


@pytest.mark.parametrize("k", [2, 300])
def test_far_outside_every_component(k):
    z, logits, loc, scale = mixture(20, k, 20)
    density = check(z + 300 * scale.mean(), logits, loc, scale)
    assert density.max() < -1e4
    assert check(z.sign() * 1e3, logits, loc, scale).max() < -1e6


@pytest.mark.parametrize("k", [8, 400])
def test_small_and_zero_weights(k):
    z, logits, loc, scale = mixture(20, k, 10, spread=5.0)
    logits[: k // 2] = -100.0
    logits[:2] = -torch.inf
    check(z, logits, loc, scale)
    p = GaussianMixture(logits.requires_grad_(), loc, scale)
    (grad,) = torch.autograd.grad(p.log_prob(z).sum(), logits)
    assert grad.isfinite().all()
    assert (grad[:2] == 0).all()


@pytest.mark.parametrize("k", [3, 300])
def test_points_that_no_component_reaches_have_no_nan_gradient(k):
    z, _, loc, scale = mixture(20, k, 10)
    logits = torch.full((k,), -torch.inf)
    inputs = [t.requires_grad_() for t in (z, logits, loc, scale)]
    density = kernel.log_prob(*inputs)
    assert (density == -torch.inf).all()
    for grad in torch.autograd.grad(density.sum(), inputs):
        assert (grad == 0).all()


@pytest.mark.parametrize("shape", [(20, 10, 3), (50, 300, 20)])
def test_duplicates_add_up_and_order_does_not_matter(shape):
    z, logits, loc, scale = mixture(*shape)
    density = kernel.log_prob(z, logits, loc, scale)
    halved = (logits - torch.log(torch.tensor(2.0))).repeat(2)
    doubled = kernel.log_prob(z, halved, loc.repeat(2, 1), scale.repeat(2, 1))
    torch.testing.assert_close(doubled, density, atol=1e-5, rtol=1e-6)
    order = torch.randperm(shape[1])
    shuffled = kernel.log_prob(z, logits[order], loc[order], scale[order])
    torch.testing.assert_close(shuffled, density, atol=1e-6, rtol=2**-22)


@pytest.mark.parametrize("shape", [(20, 10, 3), (50, 300, 20)])
def test_a_common_shift_changes_nothing(shape):
    z, logits, loc, scale = mixture(*shape)
    z, loc = ((t * 256).round() / 256 for t in (z, loc))  # so that the shift is exact
    density = kernel.log_prob(z, logits, loc, scale)
    shifted = kernel.log_prob(z + 4096, logits, loc + 4096, scale)
    torch.testing.assert_close(shifted, density, atol=1e-6, rtol=2**-22)


@pytest.mark.parametrize("shape", [(4, 3, 2), (12, 100, 8)])
def test_finite_differences(shape):
    inputs = [t.requires_grad_() for t in mixture(*shape, (0.5, 1.0), dtype=torch.float64)]
    assert torch.autograd.gradcheck(kernel.log_prob, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(kernel.log_prob, inputs, fast_mode=True)


@pytest.mark.parametrize("k", [3, 400])
def test_batches_of_mixtures(k):
    z = torch.randn(7, 5, 4, requires_grad=True)
    logits = torch.randn(5, k).log_softmax(-1).requires_grad_()
    loc, scale = torch.randn(5, k, 4, requires_grad=True), (0.1 + torch.rand(k, 4)).requires_grad_()
    inputs = (z, logits, loc, scale)
    actual = kernel.log_prob(*inputs)
    apart = [kernel.log_prob(z[:, i], logits[i], loc[i], scale) for i in range(5)]
    expected = torch.stack(apart, -1)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn(7, 5)
    ours = torch.autograd.grad((actual * weight).sum(), inputs)
    theirs = torch.autograd.grad((expected * weight).sum(), inputs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("b", "k", "dims"), [(6, 5, 2), (3, 900, 9), (30, 400, 20)])
def test_weights_of_each_point_over_shared_components(b, k, dims, dtype):
    z, _, loc, scale = mixture(2 * b, k, dims, dtype=dtype)
    logits = torch.randn(b, k, dtype=dtype).log_softmax(-1)
    logits[:, :2] = -torch.inf
    inputs = [t.requires_grad_() for t in (z.view(2, b, dims), logits, loc, scale)]
    grad = torch.randn(2, b, dtype=dtype)
    actual = kernel.log_prob(*inputs)
    grads = torch.autograd.grad(actual, inputs, grad)
    bound = 1e-9 if dtype == torch.float64 else 1e-4
    sums = [torch.zeros_like(t, dtype=torch.float64) for t in (loc, scale)]
    for point in range(b):  # each is a mixture of its own for the reference
        own = (inputs[0][:, point], logits[point], loc, scale)
        expected, (of_z, of_logits, *of_components), _ = reference(*own, grad[:, point])
        torch.testing.assert_close(actual[:, point].double(), expected, atol=bound, rtol=2**-22)
        torch.testing.assert_close(grads[0][:, point].double(), of_z, atol=bound, rtol=1e-4)
        torch.testing.assert_close(grads[1][point].double(), of_logits, atol=bound, rtol=1e-4)
        sums = [total + part for total, part in zip(sums, of_components, strict=True)]
    for one, other in zip(grads[2:], sums, strict=True):
        torch.testing.assert_close(one.double(), other, atol=10 * bound, rtol=1e-4)
    with torch.no_grad():
        parts = kernel.component_log_prob(*inputs)
    torch.testing.assert_close(parts.logsumexp(-1), actual.detach(), atol=bound, rtol=2**-22)


@pytest.mark.parametrize(("b", "k", "dims"), [(4, 3, 2), (12, 100, 8)])
def test_finite_differences_with_weights_of_each_point(b, k, dims):
    z, _, *components = mixture(2 * b, k, dims, (0.5, 1.0), dtype=torch.float64)
    logits = torch.randn(b, k, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (z.view(2, b, dims), logits, *components)]
    assert torch.autograd.gradcheck(kernel.log_prob, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(kernel.log_prob, inputs, fast_mode=True)


@pytest.mark.parametrize(
    ("sample", "batch", "parameters"),
    [((), (), ()), ((6,), (), ()), ((2, 6), (), ()), ((), (5,), (5,)), ((6,), (1,), (1,)),
     ((3,), (2, 5), (5,)), ((), (), (5,))],
)  # fmt: skip
def test_shapes(sample, batch, parameters):
    z, loc = torch.randn(*sample, *batch, 3), torch.randn(*parameters, 4, 3)
    logits = torch.randn(*parameters, 4).log_softmax(-1)
    actual = kernel.log_prob(z, logits, loc, torch.ones_like(loc))
    joint = kernel.component_log_prob(z, logits, loc, torch.ones_like(loc))
    torch.testing.assert_close(actual, joint.logsumexp(-1), atol=1e-5, rtol=1e-5)


def test_a_product_of_many_marginals():
    logits, loc, scale = torch.randn(50), torch.randn(50, 30), 0.1 + torch.rand(50, 30)
    z = torch.randn(40, 30)
    log_weights = logits.double().log_softmax(0)[:, None]
    normal = torch.distributions.Normal(loc.double(), scale.double())
    expected = (normal.log_prob(z.double().unsqueeze(1)) + log_weights).logsumexp(1).sum(1)
    actual = FactorizedGaussianMixture(logits, loc, scale).log_prob(z)
    torch.testing.assert_close(actual.double(), expected, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("shape", [(64, 16, 2), (40, 300, 40)])
def test_autocast_does_not_round(shape):
    z, *parameters = mixture(*shape)
    z = z.bfloat16()
    expected = kernel.log_prob(z.float(), *parameters)
    with torch.autocast("cpu", torch.bfloat16):
        actual = kernel.log_prob(z, *parameters)
        check(z.float(), *parameters)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


@pytest.mark.parametrize("components", [9000, 25_000])  # whose blocks are kept, or made again
def test_blocks_make_up_the_whole(components):
    z, *parameters = mixture(30, components, 40)
    parameters[1][:50] *= 1e7  # the first block cannot be expanded
    inputs = [t.requires_grad_() for t in (z, *parameters)]
    pieces = list(blocks.component_blocks(*(t.detach().double() for t in inputs), 1e-6))
    assert {type(block) for _, block in pieces} == {blocks.DirectBlock, blocks.ExpandedBlock}
    slices = zip(*(t.split(5000) for t in parameters), strict=True)  # a block each
    apart = torch.stack([kernel.log_prob(z, *some) for some in slices]).logsumexp(0)
    values = kernel.log_prob(*inputs), apart
    torch.testing.assert_close(*values, atol=1e-6, rtol=1e-5)
    gradients = (torch.autograd.grad(value.sum(), inputs) for value in values)
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


def test_the_form_follows_from_the_rounding_error():
    z, logits, loc, scale = mixture(30, 500, 10, dtype=torch.float64)

    def forms(tolerance):
        pieces = blocks.component_blocks(z, logits, loc, scale, tolerance)
        return {type(block).__name__ for _, block in pieces}

    assert forms(1e-6) == {"ExpandedBlock"}
    assert forms(1e-16) == {"DirectBlock"}


def test_without_float64_the_direct_form_serves(monkeypatch):
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    z, logits, loc, scale = mixture(30, 50, 4)
    actual = kernel.log_prob(z, logits, loc, scale)
    expected, _, _ = reference(z, logits, loc, scale, torch.ones(30))
    torch.testing.assert_close(actual.double(), expected, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("needed", NAMES)
@pytest.mark.parametrize("shape", [(6, 5, 2), (30, 300, 10)])
def test_each_gradient_alone(needed, shape):
    inputs = dict(zip(NAMES, mixture(*shape), strict=True))
    every = [t.clone().requires_grad_() for t in inputs.values()]
    expected = torch.autograd.grad(kernel.log_prob(*every).sum(), every)
    inputs[needed].requires_grad_()
    kernel.log_prob(*inputs.values()).sum().backward()
    torch.testing.assert_close(inputs[needed].grad, expected[NAMES.index(needed)])


MEMORY = """
import math
import torch
from pathlib import Path
from priory import GaussianMixture
def peak():  # of this process alone; getrusage would start at the parent's
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
def step(k):
    loc, scale = torch.randn(k, 40, requires_grad=True), torch.ones(k, 40, requires_grad=True)
    logits = torch.zeros(k, requires_grad=True)
    before = peak()
    mixture = GaussianMixture(logits, loc, scale, validate_args=False)
    mixture.log_prob(torch.zeros(256, 40)).sum().backward()
    gradients = sum(t.grad.nbytes for t in (logits, loc, scale)) / 2**20
    return peak() - before - gradients
step(100)
print(step({k}))
"""


def extra_memory(components: int) -> float:
    """MiB that a step takes beyond the gradients, in a process of its own."""
    code = MEMORY.replace("{k}", str(components))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return float(run.stdout)


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@LINUX
@pytest.mark.slow
def test_a_million_components_fit():
    assert 0 < extra_memory(1_000_000) < 300


@LINUX
def test_memory_does_not_grow_with_the_components():
    # The densities of 256 points alone would take 293 MiB in float64, and as much again for a copy.
    assert 0 < extra_memory(150_000) < 200


class LargestResult(TorchDispatchMode):
    """The size of the largest tensor that any operation returns."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // 4)
        return out


def test_weights_of_each_point_copy_no_components():
    b, k, dims = 50, 1000, 60
    z, _, loc, scale = (t.requires_grad_() for t in mixture(b, k, dims))
    logits = torch.randn(b, k, requires_grad=True)
    with LargestResult() as largest:
        p = GaussianMixture(logits, loc, scale)
        p.log_prob(z).sum().backward()
        with torch.no_grad():
            assert p.responsibilities(z).shape == (b, k)
        assert p.variance.shape == p.sample().shape == (b, dims)
    assert b * k <= largest.numbers <= 5 * k * dims < b * k * dims / 9
