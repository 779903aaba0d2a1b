"""Priors fitted to an encoder that stays as it is."""

import copy
import math

import pytest
import torch
from torch.distributions import Laplace, Normal

import priory
from cases import DATA, Case, make_encoder, over_cases
from linear import Affine
from priory import (
    MLP,
    Context,
    ExemplarPrior,
    GaussianEncoder,
    MoGPrior,
    StandardPrior,
    VampPrior,
    fit_prior,
)
from priory.evaluation import cross_entropy
from priory.training import prior_for

QUIET = {"verbose": False}


def two_heaps(count: int = 400) -> torch.Tensor:
    return torch.randn(count, 2) * 0.3 + 4 * (torch.rand(count, 1) < 0.25)


@over_cases
def test_every_prior_is_fitted_and_the_encoder_stays(case: Case):
    encoder, prior = make_encoder().train(), case.build()
    encoder.network.layers[0].eval()
    before = copy.deepcopy(encoder.state_dict())
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    data = DATA.repeat(8, 1)
    if case.labels:
        with pytest.raises(ValueError, match="expected labels from 0 to 2, got none"):
            fit_prior(prior, encoder, data, **QUIET)
    labels = torch.arange(len(data)) % 3 if case.labels else None
    settings = {"max_epochs": 3, "learning_rate": 0.02, "labels": labels, **QUIET}
    fit = fit_prior(prior, encoder, data, **settings)
    assert torch.get_rng_state().equal(state)
    assert torch.get_num_threads() == threads
    assert all(value.equal(before[key]) for key, value in encoder.state_dict().items())
    assert all(w.requires_grad and w.grad is None for w in encoder.parameters())
    assert encoder.training
    assert not encoder.network.layers[0].training
    assert fit.prior is prior
    assert not prior.training
    assert fit.after.held_out.value <= fit.before.held_out.value
    if case.labels:
        assert fit.bound is None  # what the label tells may bring a prior below it
    else:
        assert fit.after.train.value > fit.bound.value - 4 * fit.bound.standard_error
    learned = any(parameter.requires_grad for parameter in prior.parameters())
    assert fit.epochs == (3 if learned else 0)
    assert learned or fit.after == fit.before


@pytest.mark.parametrize("init", ["random", "data", "em"])
def test_a_mixture_comes_close_to_the_bound(init):
    settings = {"num_components": 4, "learning_rate": 0.03, "max_epochs": 80}
    fit = fit_prior("mog", Affine(), two_heaps(), init=init, **settings, **QUIET)
    assert fit.after.train.value - fit.bound.value < 0.06
    weights, loc = fit.prior().logits.exp(), fit.prior().loc
    assert weights[loc.mean(-1) > 2].sum().item() == pytest.approx(0.25, abs=0.06)


def test_the_bound_is_the_entropy():
    x = torch.zeros(500, 2)
    fit = fit_prior(MoGPrior(2, 1), Affine(0.5), x, max_epochs=300, learning_rate=0.02, **QUIET)
    entropy = 2 * math.log(0.5) + math.log(2 * math.pi * math.e)
    assert fit.bound.value == pytest.approx(entropy, abs=4 * fit.bound.standard_error)
    assert fit.after.train.value == pytest.approx(fit.bound.value, abs=0.01)
    assert fit.after.train.value >= fit.bound.value - 0.01
    mixture = fit_prior(ExemplarPrior("posterior"), Affine(0.5), two_heaps(), **QUIET)
    assert mixture.after.train.value == pytest.approx(mixture.bound.value, abs=1e-5)


def test_the_cross_entropy_is_a_mean_over_data():
    z = torch.randn(7, 20, 2)
    p = StandardPrior(2)()
    per_example = -p.log_prob(z).mean(0)
    estimate = cross_entropy(p, z)
    assert estimate.value == pytest.approx(per_example.mean().item(), rel=1e-6)
    assert estimate.standard_error == pytest.approx(per_example.std().item() / 20**0.5, rel=1e-6)
    assert math.isnan(cross_entropy(p, z[:, :1]).standard_error)


def test_a_vamp_prior_is_fitted_through_an_encoder_that_is_frozen():
    x = two_heaps()
    low, high = float(x.min()), float(x.max())
    prior = VampPrior(4, (2,), (low, high))
    start = prior.pseudo_inputs.detach().clone()
    encoder = Affine(0.5)
    encoder.stretch.grad = torch.ones(())
    fit = fit_prior(prior, encoder, x, max_epochs=30, learning_rate=0.02, **QUIET)
    assert encoder.stretch.grad == 1
    assert not prior.pseudo_inputs.equal(start)
    assert fit.after.held_out.value < fit.before.held_out.value - 0.1
    named = prior_for("vamp", encoder, x)
    assert (named.data_range, named.num_components, named.init) == ((low, high), 20, "data")


def test_points_are_fitted_without_a_bound():
    encoder = Affine(0.0)
    fit = fit_prior("mog", encoder, two_heaps(), num_components=2, init="em", **QUIET)
    assert fit.bound is None
    assert fit.prior().scale.min() > 0.2
    assert fit_prior(ExemplarPrior(), encoder, two_heaps(60), max_epochs=2, **QUIET).epochs == 2
    with pytest.raises(ValueError, match="scale"):
        fit_prior("vamp", encoder, two_heaps(), **QUIET)


class Apart(torch.nn.Module):
    """A network that puts the codes of the second batch ten to the right."""

    num_batches = 2

    def forward(self, x, batches=None):
        shift = 0.0 if batches is None else 10 * batches[:, 1:]
        return torch.cat([x + shift, torch.full_like(x, -2.0)], 1)


def test_an_encoder_receives_the_batches_of_a_context():
    x, batches = torch.randn(200, 2), torch.arange(200) % 2
    context = Context(batch_label=batches)
    fit = fit_prior("mog", GaussianEncoder(Apart()), x, labels=context, num_components=2, **QUIET)
    assert fit.prior().loc.mean(1).sort().values.tolist() == pytest.approx([0, 10], abs=1.5)


def test_posteriors_of_another_family_are_sampled_anew():
    encoder = Affine(0.2, Laplace)
    fit = fit_prior("mog", encoder, two_heaps(), num_components=4, max_epochs=5, **QUIET)
    assert fit.bound is None
    assert fit.after.held_out.value <= fit.before.held_out.value
    with pytest.raises(TypeError, match="diagonal Gaussian"):
        fit_prior("vamp", encoder, two_heaps(), **QUIET)
    for result, got in [(lambda x: x, "got Tensor"), (lambda x: Normal(x, 1.0), "event shape")]:
        with pytest.raises(TypeError, match=got):
            fit_prior("mog", result, two_heaps(), **QUIET)


def test_a_seed_repeats_a_fit_and_the_best_is_kept():
    x, held_out = two_heaps(60), two_heaps(60)

    def run(seed):
        settings = {"learning_rate": 0.1, "patience": 4, "seed": seed, "num_components": 5}
        return fit_prior("mog", Affine(), x, held_out=held_out, **settings, **QUIET)

    first, again, other = run(0), run(0), run(1)
    assert (first.before, first.after, first.epochs) == (again.before, again.after, again.epochs)
    assert first.after != other.after
    assert 4 <= first.epochs < 1000
    assert first.after.held_out.value <= first.before.held_out.value


def test_results_are_printed(capsys):
    fit_prior("standard", Affine(), two_heaps(50).numpy())
    out = capsys.readouterr().out
    assert "StandardPrior" in out
    assert out.count("±") == 6
    assert priory.fit_prior is fit_prior


def test_bad_settings_are_refused():
    for settings in ({"max_epochs": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="expected"):
            fit_prior("mog", Affine(), two_heaps(), **settings, **QUIET)
    with pytest.raises(ValueError, match="got 9 and 0"):
        fit_prior("mog", Affine(), two_heaps(9), held_out=two_heaps(0), **QUIET)
    with pytest.raises(ValueError, match="did you mean"):
        fit_prior("vapm", Affine(), two_heaps(), **QUIET)
    with pytest.raises(FloatingPointError, match="learning rate"):
        fit_prior(MoGPrior(2, 2), Affine(), 1e25 * two_heaps(), **QUIET)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "half"])
@pytest.mark.parametrize(
    ("name", "init"),
    [("mog", "data"), ("mog", "em"), ("vamp", "data"), ("vamp", "kmeans"), ("vamp", "kmedoids")],
)
def test_an_encoder_of_half_precision_is_enough(name, init, dtype):
    encoder = GaussianEncoder(MLP((4,), (4,), (8,))).to(dtype)
    x = torch.rand(60, 4).to(dtype)
    found = fit_prior(
        name, encoder, x, num_components=3, init=init, max_epochs=1, verbose=False, held_out=x[:20]
    )
    assert math.isfinite(found.after.held_out.value)
    prior = found.prior
    assert {parameter.dtype for parameter in prior.parameters()} == {dtype}
    assert not any(parameter.isnan().any() for parameter in prior.parameters())
