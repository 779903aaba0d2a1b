"""Priors for auto-encoders of diffusers."""

import pytest
import torch

import priory
from pages import blocks
from priory.adapters import posterior

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = {"block_out_channels": (8,), "norm_num_groups": 4, "latent_channels": 2}


def test_the_preset_gives_the_moments_of_the_model():
    ae = diffusers.AutoencoderKL(**SMALL).eval()
    x = torch.rand(3, 3, 8, 8)
    encoder = posterior.diffusers(ae)
    q = encoder(x)
    latents = ae.encode(x).latent_dist
    assert q.base_dist.loc.equal(latents.mean.flatten(1))
    assert q.base_dist.scale.equal(latents.std.flatten(1))
    assert encoder.latent_shape == tuple(latents.mean.shape[1:])
    sizes = {f"{part}_block_out_channels": (8, 8) for part in ("encoder", "decoder")}
    blocks_each = {f"num_{part}_blocks": (1, 1) for part in ("encoder", "decoder")}
    tiny = diffusers.AutoencoderTiny(**sizes, **blocks_each).eval()
    points = posterior.diffusers(tiny)(x)
    assert points.base_dist.loc.equal(tiny.encode(x).latents.flatten(1))
    assert not points.base_dist.scale.any()
    with pytest.raises(TypeError, match="with a method encode"):
        posterior.diffusers(torch.nn.Linear(2, 2))


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("docs/recipes/diffusers.md"):
        exec(block, names)
    assert names["images"].shape == (4, 3, 16, 16)
    assert priory is not None
