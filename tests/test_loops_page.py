"""The recipes for other people's loops run as printed, those of what is installed here."""

import pytest
import torch

from pages import blocks
from processes import python, together

PAGE = "docs/recipes/loops.md"


def block_with(word: str) -> str:
    (found,) = [block for block in blocks(PAGE) if word in block]
    return found


def test_ddp_and_fsdp2_run():
    lines = python(f"{block_with('class Loss')}\n{block_with('fully_shard')}").splitlines()
    ddp, fsdp2 = (line.split() for line in lines if not line.startswith("[Gloo]"))
    assert (ddp[0], fsdp2[0]) == ("ddp", "fsdp2")
    assert float(ddp[1]) == pytest.approx(float(fsdp2[1]), rel=0.01)


def gradients():
    """The gradients of the prior in a process: the whole step wrapped, then the encoder alone."""
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    names = {}
    exec(block_with("class Loss"), names)
    x = torch.rand(16, 784, generator=torch.Generator().manual_seed(distributed.get_rank())) < 0.2
    found = []
    for whole in (True, False):
        model = names["make"]()
        prior = model.vae.prior
        if whole:
            model = DistributedDataParallel(model)
        else:
            model.vae.encoder = DistributedDataParallel(model.vae.encoder)
        torch.manual_seed(distributed.get_rank())
        model(x.float()).backward()
        found.append(prior.logits.grad.clone())
    return found


@pytest.mark.slow
def test_gradients_of_the_prior_agree_where_the_whole_step_is_wrapped():
    (whole, part), (other_whole, other_part) = together(2, gradients)
    assert whole.equal(other_whole)
    assert not part.equal(other_part)  # as the page says


@pytest.mark.filterwarnings("ignore")
def test_lightning_and_onnx_run():
    names = {}
    exec(block_with("class Loss"), names)
    exec(block_with("import lightning"), names)
    assert names["trainer"].global_step == 2
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    exec(block_with("onnxruntime"), names)
    expected = names["density"](names["z"]).detach()
    torch.testing.assert_close(torch.from_numpy(names["exported"]), expected, rtol=1e-4, atol=1e-4)
