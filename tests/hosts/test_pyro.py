"""Every prior in a model of Pyro."""

import math

import pytest
import torch

import priory
from cases import CASES, LATENT_DIM, make_encoder
from pages import blocks
from priory.distributions import GaussianMixture

pyro = pytest.importorskip("pyro")
dist = pyro.distributions
to_pyro = priory.adapters.pyro.to_pyro

FREE = [case for case in CASES if not case.labels]
X = 2 + torch.randn(6, LATENT_DIM, generator=torch.Generator().manual_seed(0))
over_priors = pytest.mark.parametrize("case", FREE, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _clear():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)


def model_of(prior, encoder, mask=None, enumerated=False):
    def model(x):
        pyro.module("prior", prior)
        with pyro.plate("data", len(x)):
            p = to_pyro(prior(encoder))
            z = pyro.sample("z", p if mask is None else p.mask(mask))
            shift = torch.zeros(())
            if enumerated:
                side = pyro.sample("side", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
                shift = side.unsqueeze(-1)
            pyro.sample("x", dist.Normal(z + shift, 1.0).to_event(1), obs=x)

    return model


def guide(x):
    loc = pyro.param("loc", lambda: torch.zeros_like(x))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(loc, 0.5).to_event(1))


ELBOS = [
    pyro.infer.Trace_ELBO(),
    pyro.infer.TraceMeanField_ELBO(),
    pyro.infer.TraceEnum_ELBO(max_plate_nesting=1),
    pyro.infer.RenyiELBO(num_particles=2),
]


@over_priors
def test_every_elbo_trains_every_prior(case):
    prior, encoder = case.build(), make_encoder()
    learned = [p for p in prior.parameters() if p.requires_grad]
    for elbo in ELBOS:
        pyro.clear_param_store()
        enumerated = isinstance(elbo, pyro.infer.TraceEnum_ELBO)
        model = model_of(prior, encoder, enumerated=enumerated)
        before = [p.detach().clone() for p in learned]
        svi = pyro.infer.SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), elbo)
        losses = [svi.step(X) for _ in range(3)]
        assert all(math.isfinite(loss) for loss in losses)
        if learned:
            assert any(not p.equal(b) for p, b in zip(learned, before, strict=True))


def test_the_elbo_is_the_one_of_the_density():
    prior, encoder = FREE[1].build(), make_encoder()
    mask = torch.tensor([True, True, False, True, False, True])
    for masked in (None, mask):
        pyro.set_rng_seed(1)
        loss = pyro.infer.Trace_ELBO().loss(model_of(prior, encoder, mask=masked), guide, X)
        pyro.set_rng_seed(1)
        q = dist.Normal(torch.zeros_like(X), 0.5).to_event(1)
        z = q.rsample()
        rate = prior().log_prob(z) * (1 if masked is None else masked)
        elbo = rate + dist.Normal(z, 1.0).to_event(1).log_prob(X) - q.log_prob(z)
        assert loss == pytest.approx(-elbo.sum().item(), rel=1e-5)


@over_priors
def test_predictive_guides_and_samples(case):
    prior, encoder = case.build().eval(), make_encoder()
    model = model_of(prior, encoder)
    automatic = pyro.infer.autoguide.AutoNormal(model)
    svi = pyro.infer.SVI(model, automatic, pyro.optim.Adam({"lr": 0.01}), pyro.infer.Trace_ELBO())
    assert math.isfinite(svi.step(X))
    for parallel in (False, True):
        drawn = pyro.infer.Predictive(model, num_samples=4, parallel=parallel)(X)
        assert drawn["z"].shape[-2:] == (6, LATENT_DIM)
        later = pyro.infer.Predictive(model, guide=automatic, num_samples=4, parallel=parallel)(X)
        assert later["z"].shape == drawn["z"].shape
    density = to_pyro(prior(encoder)).expand([2, 6])
    assert density.sample((3,)).shape == (3, 2, 6, LATENT_DIM)
    assert density.log_prob(X).shape == (2, 6)


def test_nuts_finds_the_posterior_of_a_mixture():
    prior = priory.MoGPrior(2, 2)
    with torch.no_grad():
        prior.loc.copy_(torch.tensor([[3.0, 3.0], [-3.0, -3.0]]))
    x = torch.tensor([[2.0, 2.0]])

    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", to_pyro(prior()))
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)

    kernel = pyro.infer.NUTS(model)
    chain = pyro.infer.MCMC(kernel, num_samples=150, warmup_steps=60, disable_progbar=True)
    chain.run(x)
    assert chain.get_samples()["z"].mean(0)[0].tolist() == pytest.approx([2.5, 2.5], abs=0.3)


def test_labels_and_nested_plates():
    prior = next(case for case in CASES if case.labels).build()
    labels = torch.arange(6) % 3
    context = priory.Context(labels=labels)
    p = to_pyro(prior(None, context))
    assert p.batch_shape == (6,)

    def model(x):
        with pyro.plate("particles", 2, dim=-2), pyro.plate("data", 6, dim=-1):
            return pyro.sample("z", p)

    assert model(X).shape == (2, 6, LATENT_DIM)
    assert isinstance(p.base, GaussianMixture)
    with pytest.raises(TypeError, match="call the prior"):
        to_pyro(prior)


def test_the_page_runs():
    names = {}
    (script,) = blocks("docs/guides/pyro.md")
    exec(script, names)
    assert names["losses"][-1] < names["losses"][0]
