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
from priory import MLP, VAE, BernoulliDecoder, loss

x = (torch.rand(16, 4) < 0.5).float()
for case in CASES:
    torch.manual_seed(0)
    vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), case.build())
    vae.train()
    compiled = torch.compile(loss, fullgraph=True, backend=BACKEND)
    results = []
    for function in (loss, compiled):
        torch.manual_seed(1)
        vae.zero_grad()
        value = function(vae, x, context=case.context_for(16))
        value.backward()
        results.append([value.detach(), *(p.grad.clone() for p in vae.parameters())])
    if BACKEND != "inductor":  # whose random numbers are its own
        torch.testing.assert_close(*results)
    assert all(tensor.isfinite().all() for tensor in results[1])
    torch.compiler.reset()
    print(case.name)
"""


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_the_loss_compiles_in_one_graph_and_agrees(backend):
    code = CODE.replace("BACKEND", repr(backend))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [case.name for case in CASES]
