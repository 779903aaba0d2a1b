"""The mixture under torch.compile, torch.export and ONNX, in a process without the shape check."""

import subprocess
import sys

import pytest

COMPILE_KERNEL = """
import torch
from priory.distributions.mixture import kernel
compiled = torch.compile(kernel.log_prob, fullgraph=True, dynamic=False)
for b, k, dims, *own in [(64, 16, 2), (40, 300, 20), (40, 300, 20, 20)]:
    z, loc = torch.randn(b, dims).view(-1, *own, dims), torch.randn(k, dims)
    inputs = [z, torch.randn(*own, k).log_softmax(-1), loc, 0.1 + torch.rand(k, dims)]
    for t in inputs:
        t.requires_grad_()
    results = []
    for log_prob in (kernel.log_prob, compiled):
        density = log_prob(*inputs)
        results.append((density, *torch.autograd.grad(density.sum(), inputs)))
    for eager, other in zip(*results, strict=True):
        torch.testing.assert_close(eager, other, rtol=1e-5, atol=1e-5)
"""

EXPORT = """
import torch
from torch import nn
from priory import GaussianMixture
class Density(nn.Module):
    def __init__(self, k, dims):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(k))
        self.loc = nn.Parameter(torch.randn(k, dims))
        self.log_scale = nn.Parameter(0.1 * torch.randn(k, dims))
    def forward(self, z):
        scale = self.log_scale.exp()
        return GaussianMixture(self.logits, self.loc, scale).log_prob(z)
density, z = Density(30, 8).eval(), torch.randn(50, 8)
expected = density(z).detach()
batch = {"z": {0: torch.export.Dim("batch")}}
program = torch.export.export(density, (z,), dynamic_shapes=batch)
torch.testing.assert_close(program.module()(z).detach(), expected)
torch.testing.assert_close(program.module()(z[:7]).detach(), expected[:7])
class Own(Density):
    def forward(self, z, logits):
        p = GaussianMixture(logits, self.loc, self.log_scale.exp())
        return p.log_prob(z)
own, logits = Own(30, 8).eval(), torch.randn(50, 30)
program_of_own = torch.export.export(own, (z, logits))
torch.testing.assert_close(program_of_own.module()(z, logits), own(z, logits))
"""

ONNX = (
    EXPORT
    + """
import io, warnings
import onnxruntime
warnings.simplefilter("ignore")  # the exporter's own
file = io.BytesIO()
torch.onnx.export(program).save(file)
session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
for points in (z, z[:7]):
    (actual,) = session.run(None, {"z": points.numpy()})
    torch.testing.assert_close(torch.from_numpy(actual), density(points).detach())
"""
)


def run(code: str, *words: str) -> None:
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.slow  # test_compile.py does it with a cheaper backend
def test_the_kernel_compiles_without_a_break():
    run(COMPILE_KERNEL)


def test_the_density_exports():
    run(EXPORT)


@pytest.mark.slow
def test_onnx_runtime_returns_the_same_density():
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    run(ONNX)


PRIORS = """
import io, sys, warnings
from contextlib import nullcontext
import torch
from torch import nn
from torch.distributions import Distribution, Independent, Normal
from priory import (
    MLP, ConditionalMoGPrior, Context, FlowPrior, GaussianEncoder, GTMPrior, MoGPrior,
    StandardPrior, VampPrior,
)
from priory.distributions import without_argument_checks
class Own(nn.Module):
    def forward(self, x):
        return Independent(Normal(x[:, :2], 1 + x[:, 2:]), 1)
class Density(nn.Module):
    def __init__(self, prior, encoder=None):
        super().__init__()
        self.prior, self.encoder = prior, encoder
    def forward(self, z):
        context = Context(labels=torch.tensor([2])) if self.prior.needs_labels else None
        return self.prior(self.encoder, context).log_prob(z)
encoder = GaussianEncoder(MLP((4,), (4,), (8,)))
densities = [
    Density(StandardPrior(2)),
    Density(MoGPrior(2, 3)),
    Density(GTMPrior(2, 9)),
    Density(FlowPrior(2, "RealNVP", {"transforms": 2, "hidden_features": [8]})),
    Density(FlowPrior(2, "NSF", {"transforms": 1, "hidden_features": [4], "bins": 4})),
]
traced = [
    *densities,
    Density(MoGPrior(2, 3, mixture="factorized")),
    Density(ConditionalMoGPrior(2, 3, 4)),
    Density(VampPrior(3, (4,)), encoder),
    Density(VampPrior(3, (4,)), Own()),
]
z, onnx, strict = torch.randn(5, 2), sys.argv[1:] == ["onnx"], sys.argv[1:] == ["strict"]
warnings.simplefilter("ignore")  # the exporter's own
for density in densities if onnx else traced:
    expected = density(z).detach()
    with without_argument_checks() if strict else nullcontext():
        program = torch.export.export(density, (z,), strict=strict)
    torch.testing.assert_close(program.module()(z).detach(), expected)
    if onnx:
        import onnxruntime
        file = io.BytesIO()
        torch.onnx.export(program).save(file)
        session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
        (actual,) = session.run(None, {"z": z.numpy()})
        torch.testing.assert_close(torch.from_numpy(actual), expected, rtol=1e-4, atol=1e-4)
    try:  # and the checks are there again
        density(torch.full((2, 2), torch.nan))
    except ValueError:
        continue
    raise AssertionError("expected a refusal of NaN")
assert Distribution._validate_args
"""


@pytest.mark.parametrize("words", [(), ("strict",)])
def test_every_prior_exports_with_its_checks_left_out(words):
    run(PRIORS, *words)


@pytest.mark.slow
def test_onnx_runtime_returns_the_same_densities_of_priors():
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    run(PRIORS, "onnx")
