"""Priors for models of pythae, and their own sampler and likelihood beside ours."""

import math

import pytest
import torch

import priory
from pages import blocks
from priory.adapters import posterior

models = pytest.importorskip("pythae.models")
pytestmark = pytest.mark.filterwarnings("ignore")
X = (torch.rand(60, 9, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def test_the_preset_gives_the_moments_of_the_model():
    vae = models.VAE(models.VAEConfig(input_dim=(9,), latent_dim=2)).eval()
    q = posterior.pythae(vae)(X)
    out = vae.encoder(X)
    assert q.base_dist.loc.equal(out.embedding)
    torch.testing.assert_close(q.base_dist.scale.square().log(), out.log_covariance)
    ae = models.AE(models.AEConfig(input_dim=(9,), latent_dim=2)).eval()
    points = posterior.pythae(ae)(X)
    assert points.base_dist.loc.equal(ae.encoder(X).embedding)
    assert not points.base_dist.scale.any()
    sphere = models.SVAE(models.SVAEConfig(input_dim=(9,), latent_dim=2)).eval()
    with pytest.raises(ValueError, match="got log_concentration"):
        posterior.pythae(sphere)(X)


@pytest.mark.parametrize("name", ["MoGPrior", "VampPrior", "ExemplarPrior"])
def test_a_prior_is_fitted_to_a_model(name):
    vae = models.VAE(models.VAEConfig(input_dim=(9,), latent_dim=2))
    encoder = posterior.pythae(vae)
    fit = priory.fit_prior(name, encoder, X, num_components=4, max_epochs=2, verbose=False)
    z = fit.prior(encoder).sample((5,))
    assert vae.decoder(z).reconstruction.shape == (5, 9)
    assert math.isfinite(fit.after.held_out.value)


def test_the_recipe_runs():
    names = {}
    for block in blocks("docs/recipes/pythae.md"):
        exec(block, names)
    assert names["new"].shape == (64, 1, 8, 8)
    assert math.isfinite(names["nll"].mean)
