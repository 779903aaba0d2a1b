"""The loss under the compiler, in a process without the check of signatures."""

import subprocess
import sys

import pytest

from cases import CASES

CODE = """
import sys
sys.path.insert(0, "tests")
import torch
from cases import CASES, DATA_SHAPE, make_encoder
from levels import hierarchical_vae
from priory import MLP, VAE, BernoulliDecoder, Context, MoGPrior, VampPrior, loss

x = (torch.rand(16, 4) < 0.5).float()
groups, per_label = Context(labels=torch.arange(16) % 3), {"kind": "per-label", "num_labels": 3}
rows = {case.name: (case.build, case.context_for(16)) for case in CASES} | {
    "many": (lambda: MoGPrior(2, 300), None),
    "groups": (lambda: VampPrior(300, DATA_SHAPE, weights=per_label), groups),
}
backend, *names = sys.argv[1:]
for name in names:
    torch.manual_seed(0)
    if name == "levels":
        vae, data, context = hierarchical_vae(), torch.randn(16, 3), None
    else:
        make, context = rows[name]
        vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), make())
        data = x
    vae.train()
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    results = []
    for function in (loss, compiled):
        torch.manual_seed(1)
        vae.zero_grad()
        value = function(vae, data, context=context)
        value.backward()
        results.append([value.detach(), *(p.grad.clone() for p in vae.parameters())])
    if backend != "inductor":  # whose random numbers are its own
        torch.testing.assert_close(*results)
    assert all(tensor.isfinite().all() for tensor in results[1])
    torch.compiler.reset()
    print(name)
"""

# The graph is traced for every row, and turned into code, which takes long, for a few:
# parameters, labels, and pseudo-inputs so many that the kernel is opaque to the compiler.
FEW = ["mog", "conditional-mog", "groups"]
OTHERS = ["many", "levels", *(case.name for case in CASES if case.name not in FEW)]


@pytest.mark.parametrize(
    ("backend", "names"),
    [
        ("aot_eager", FEW),
        pytest.param("aot_eager", OTHERS, marks=pytest.mark.slow),
        pytest.param("inductor", [*FEW, "vamp", "levels"], marks=pytest.mark.slow),
    ],
)
def test_the_loss_compiles_in_one_graph_and_agrees(backend, names):
    words = [sys.executable, "-c", CODE, backend, *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == names


WRAPPED = """
import sys
sys.path.insert(0, "tests")
import torch
from cases import make_encoder
from priory import MLP, Context, GaussianEncoder
from priory.networks.calls import call

x, context = torch.rand(6, 4), Context(labels=torch.arange(6) % 3)
for encoder in (make_encoder(), GaussianEncoder(MLP((4,), (4,), (8,), num_labels=3))):
    compiled = torch.compile(encoder, backend="eager")
    torch.testing.assert_close(call(compiled, x, context).mean, call(encoder, x, context).mean)
"""


def test_a_compiled_encoder_receives_the_context_it_declares():
    done = subprocess.run([sys.executable, "-c", WRAPPED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
