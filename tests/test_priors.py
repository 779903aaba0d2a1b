"""Priors as modules."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Laplace, Normal, kl_divergence

from cases import CASES, DATA, DATA_SHAPE, Case, CountingEncoder, make_encoder, over_cases
from priory import (
    MLP,
    ConditionalMoGPrior,
    ConditionalVampPrior,
    Context,
    ExemplarPrior,
    FactorizedGaussianMixture,
    FlowPrior,
    GaussianMixture,
    GTMPrior,
    GTMVampPrior,
    HierarchicalPrior,
    MixturePrior,
    MoGPrior,
    ResampledPrior,
    StandardPrior,
    VampPrior,
    make_prior,
)
from priory.priors import prior_class, prior_classes

Z = torch.linspace(-2, 2, 10).view(5, 1, 2).expand(5, 2, 2)  # for two data, where there are labels
X = torch.zeros(5, 4)


@over_cases
def test_arguments_are_kept_as_attributes(case: Case):
    import inspect

    prior = case.build()
    for name in inspect.signature(type(prior)).parameters:
        assert hasattr(prior, name)
        assert f"{name}=" in str(prior)


def test_the_divergence_from_the_standard_prior_is_exact():
    q = Independent(Normal(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 2.0]])), 1)
    by_hand = sum(0.5 * (m**2 + s**2 - 1) - math.log(s) for m, s in [(1.0, 0.5), (-2.0, 2.0)])
    actual = kl_divergence(q, StandardPrior(2)())
    assert actual.item() == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "make",
    [lambda m: MoGPrior(2, 4, mixture=m), lambda m: VampPrior(4, DATA_SHAPE, mixture=m)],
)
def test_factorized_is_another_distribution(make):
    assert isinstance(make("joint")(make_encoder()), GaussianMixture)
    assert isinstance(make("factorized")(make_encoder()), FactorizedGaussianMixture)


def test_expectation_maximisation_finds_components_that_overlap():
    torch.manual_seed(3)

    class Across(nn.Module):  # a wide component, and a narrow one in the middle of it
        def forward(self, x, context=None):
            return Independent(Normal(torch.zeros(len(x), 2), 0.2 + 1.8 * x[:, :1]), 1)

    prior = MoGPrior(2, 2, init="em")
    prior.fit_data((torch.rand(4000, 1) < 0.5).float(), Across())
    scales = prior().scale[prior().scale[:, 0].argsort()]
    expected = torch.tensor([[0.2, 0.2], [2.0, 2.0]])
    torch.testing.assert_close(scales, expected, rtol=0.1, atol=0)
    torch.testing.assert_close(prior().logits.exp(), torch.full((2,), 0.5), rtol=0.1, atol=0)


def test_random_means_have_the_stated_spread():
    assert MoGPrior(10, 5000, spread=3.0).loc.std().item() == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize("init", ["data", "em"])
def test_a_mixture_starts_from_the_clusters_of_encoded_data(init):
    x = torch.cat([torch.zeros(60, 4), torch.ones(30, 4)])
    encoder = make_encoder()
    with torch.no_grad():
        encoder.network.layers[-1].bias[2:] -= 4  # narrow posteriors: two clusters
        encoder.network.layers[-1].weight[2:] = 0
        prior = MoGPrior(2, 2, init=init)
        prior.fit_data(x, encoder)
        p, centres = prior(encoder), encoder(x[[0, -1]]).mean
    order = (p.loc - centres[0]).norm(dim=-1).argsort()
    torch.testing.assert_close(p.loc[order], centres, atol=0.02, rtol=0)
    torch.testing.assert_close(p.logits.exp()[order], torch.tensor([2 / 3, 1 / 3]))
    torch.testing.assert_close(p.scale[order][0], encoder(x[:1]).stddev[0], rtol=0.3, atol=0)


@pytest.mark.parametrize("init", ["data", "kmeans", "kmedoids"])
def test_pseudo_inputs_start_from_data(init):
    x = torch.tensor([[0.0, 0.25, 0.5, 1.0], [1.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]])
    prior = VampPrior(3, DATA_SHAPE, init=init)
    prior.fit_data(x, make_encoder())
    assert {tuple(u) for u in prior.pseudo_inputs.mul(100).round().tolist()} == {
        tuple(u) for u in x.mul(100).round().tolist()
    }


def test_pseudo_inputs_from_a_grid_stay_in_the_range():
    prior = GTMVampPrior(100, DATA_SHAPE, data_range=(-3, 16), grid_extent=50.0)
    assert -3 <= prior.pseudo_inputs.min() < 0
    assert 13 < prior.pseudo_inputs.max() <= 16


def test_pseudo_inputs_start_at_random_within_the_range():
    u = VampPrior(500, DATA_SHAPE, data_range=(-3, 16)).pseudo_inputs
    assert u.min() >= -3
    assert u.max() <= 16
    assert u.mean().item() == pytest.approx(6.5, abs=0.5)
    assert u.std().item() == pytest.approx(19 / 12**0.5, rel=0.05)


@pytest.mark.parametrize("border", [0.0, 1.0])
def test_a_pixel_at_the_border_comes_back(border):
    prior = VampPrior(1, (1,), data_range=(0, 1))
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)
    for target in (border, 1 - border):
        for _ in range(300):
            optimizer.zero_grad()
            # A pull past the border, then a pull to the other side.
            (prior.pseudo_inputs * (1 if target == 0 else -1)).sum().backward()
            optimizer.step()
            assert 0 <= prior.pseudo_inputs.item() <= 1
        assert prior.pseudo_inputs.item() == pytest.approx(target, abs=0.15)


def test_the_gradient_does_not_die_anywhere():
    prior = VampPrior(1, (5,), data_range=(0, 16))
    with torch.no_grad():
        prior.unfolded.copy_(torch.tensor([[-1.0, 0.0, 0.4, 1.0, 2.0]]))
    prior.pseudo_inputs.sum().backward()
    assert prior.unfolded.grad.abs().eq(16).all()


@pytest.mark.parametrize(("asked", "side"), [(1, 1), (9, 3), (10, 4), (16, 4), (17, 5)])
def test_a_grid_is_the_smallest_square_that_holds_the_components(asked, side):
    prior = GTMPrior(2, asked, grid_extent=5.0)
    assert (prior.grid_side, prior.num_components) == (side, side**2)
    assert prior().logits.shape == (side**2,)
    assert prior.grid.mean().item() == pytest.approx(0, abs=1e-6)
    assert prior.grid.max().item() == (5 if side > 1 else 0)


@pytest.mark.parametrize("latent_dim", [1, 2, 7])
@pytest.mark.parametrize("side", [1, 4, 12])
def test_a_sheet_starts_flat_over_a_plane_with_unit_spread(latent_dim, side):
    prior = GTMPrior(latent_dim, grid_side=side, grid_extent=2.0)
    p = prior()
    loc = p.loc.detach()
    if side == 1:
        torch.testing.assert_close(loc, torch.zeros(1, latent_dim), atol=1e-3, rtol=0)
        torch.testing.assert_close(p.scale, torch.ones(1, latent_dim), atol=1e-3, rtol=0)
        return
    flat = prior.grid / prior.grid[:, 0].std(correction=0)
    if latent_dim == 2:
        torch.testing.assert_close(loc, flat, atol=0.05, rtol=0)
    # Up to a rotation: what is left of the grid once it is explained by the means, and vice versa.
    plane = torch.linalg.lstsq(flat, loc).solution
    assert (loc - flat @ plane).abs().max() < 0.05
    length = torch.linalg.svdvals(plane)
    torch.testing.assert_close(length, torch.ones(len(length)), atol=0.02, rtol=0)
    neighbours = (flat[1] - flat[0]).norm()
    expected = 1.0 if latent_dim > 2 else neighbours.item() / 2
    torch.testing.assert_close(p.scale, torch.full_like(loc, expected), rtol=0.02, atol=0)


@pytest.mark.parametrize("flow", ["NSF", "RealNVP", "MAF", "NICE", "BPF", "NAF"])
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_a_flow_takes_any_dimension_and_counts_its_volume_once(flow, latent_dim):
    prior = FlowPrior(latent_dim, flow, {"transforms": 2}).double()
    p = prior()
    z = p.sample((4, 3))
    assert p.event_shape == z.shape[2:] == (latent_dim,)
    assert p.log_prob(z).shape == (4, 3)
    f = prior.network.transform()
    volume = [torch.autograd.functional.jacobian(f, x).slogdet()[1] for x in z.flatten(0, 1)]
    expected = Normal(0, 1).log_prob(f(z)).sum(-1).flatten() + torch.stack(volume)
    torch.testing.assert_close(p.log_prob(z).flatten(), expected)


def test_the_import_of_zuko_leaves_the_validation_of_distributions_on():
    FlowPrior(2)
    with pytest.raises(ValueError, match="scale"):
        Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="event_shape"):
        FlowPrior(2)().log_prob(torch.zeros(3))


@pytest.mark.parametrize("scale", ["shared", "posterior"])
def test_an_exemplar_leaves_itself_out(scale):
    encoder, index = make_encoder(), torch.tensor([3, 0])
    prior, z = ExemplarPrior(scale), torch.randn(6, 2, 2)
    prior.fit_data(DATA, encoder)
    p = prior(encoder, Context(index=index))
    assert p.batch_shape == (2,)
    for column, own in enumerate(index.tolist()):
        others = ExemplarPrior(scale)
        others.fit_data(torch.cat((DATA[:own], DATA[own + 1 :])), encoder)
        expected = others(encoder).log_prob(z[:, column])
        torch.testing.assert_close(p.log_prob(z)[:, column], expected)


def test_components_are_not_copied_for_every_example():
    prior = ExemplarPrior()
    prior.fit_data(DATA, make_encoder())
    p = prior(make_encoder(), Context(index=torch.arange(3)))
    assert p.loc.shape == p.scale.shape == (3, 5, 2)
    assert p.loc.untyped_storage().nbytes() == 5 * 4 * 4  # that of the encoder's output


def test_a_step_draws_its_exemplars_anew():
    encoder = CountingEncoder()
    prior, context = ExemplarPrior(subset_size=2), Context(index=torch.tensor([0, 1]))
    prior.fit_data(DATA, encoder)
    seen = {tuple(prior(encoder, context).loc[0].flatten().tolist()) for _ in range(50)}
    assert encoder.calls == [2] * 50
    assert 2 < len(seen) <= 20
    assert prior(encoder).loc.shape == (5, 2)
    assert prior(encoder, context).log_prob(torch.zeros(2)).isfinite().all()


def test_exemplars_stay_out_of_the_state_dict_and_have_to_be_given():
    prior = ExemplarPrior()
    with pytest.raises(RuntimeError, match="before fit_data"):
        prior(make_encoder())
    prior.fit_data(DATA, make_encoder())
    assert list(prior.state_dict()) == ["components.log_scale"]


def test_weights_are_learned_or_uniform():
    assert "weights.logits" in dict(VampPrior(3, DATA_SHAPE).named_parameters())
    uniform = VampPrior(4, DATA_SHAPE, weights="uniform")
    assert not list(uniform.weights.parameters())
    torch.testing.assert_close(uniform(make_encoder()).logits.exp(), torch.full((4,), 0.25))


@over_cases
def test_no_points_have_no_densities(case: Case):
    p = case.build()(make_encoder(), case.context)
    assert p.log_prob(torch.zeros(0, *p.batch_shape, 2)).shape == (0, *p.batch_shape)
    assert p.sample((0,)).shape == (0, *p.batch_shape, 2)


class WithBatchNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.encoder = nn.BatchNorm1d(4), make_encoder()

    def forward(self, x):
        return self.encoder(nn.functional.dropout(self.norm(x), 0.5, self.training))

    def encode(self, x):
        return self(x)


class Owner:
    def __init__(self, module):
        self.module = module

    def encode(self, x):
        return self.module(x)


@pytest.mark.parametrize(
    "way_in",
    [
        lambda m: m,
        lambda m: m.encode,
        lambda m: lambda x: m(x),
        lambda m: Owner(m).encode,
        lambda m: partial(lambda module, x: module(x), m),
        lambda m: nn.Sequential(m),
    ],
)
def test_pseudo_inputs_go_through_an_encoder_in_evaluation_mode(way_in):
    prior, module = VampPrior(3, DATA_SHAPE), WithBatchNorm()
    module.encoder.eval()
    before = copy.deepcopy(module.state_dict())
    p = prior(way_in(module))
    assert all(value.equal(before[key]) for key, value in module.state_dict().items())
    assert module.training
    assert module.norm.training
    assert not module.encoder.training
    module.eval()
    assert p.loc.equal(prior(module).loc)
    module.train()
    exemplars = ExemplarPrior()
    exemplars.fit_data(DATA, module)
    exemplars(way_in(module))
    assert all(value.equal(before[key]) for key, value in module.state_dict().items())


def test_a_vampprior_says_what_encoder_it_needs():
    prior = VampPrior(3, DATA_SHAPE)
    with pytest.raises(TypeError, match=r"call the prior as prior\(encoder\)"):
        prior()
    with pytest.raises(TypeError, match="diagonal Gaussian"):
        prior(lambda u: Independent(Laplace(u, torch.ones_like(u)), 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StandardPrior(0), "latent_dim of at least 1, got 0"),
        (lambda: MoGPrior(0, 3), "latent_dim of at least 1, got 0"),
        (lambda: MoGPrior(2, 0), "num_components of at least 1, got 0"),
        (lambda: MoGPrior(2, 3, spread=-1.0), "spread"),
        (lambda: GTMPrior(0, 4), "latent_dim of at least 1, got 0"),
        (lambda: GTMPrior(2), "num_components=None and grid_side=None"),
        (lambda: GTMPrior(2, grid_side=0), "grid_side=0"),
        (lambda: GTMPrior(2, 4, grid_extent=0.0), "grid_extent above zero"),
        (lambda: GTMVampPrior(0, DATA_SHAPE), "num_components=0"),
        (lambda: GTMVampPrior(4, DATA_SHAPE, data_range=(1, 0)), "low < high"),
        (lambda: ExemplarPrior(subset_size=1), "subset_size of at least 2, got 1"),
        (lambda: ExemplarPrior().fit_data(X[:1], make_encoder()), "got 1"),
        (lambda: FlowPrior(0), "latent_dim of at least 1, got 0"),
        (lambda: FlowPrior(2, "RealNPV"), "did you mean RealNVP"),
        (lambda: FlowPrior(2, "NCSF"), "expected one of zuko's flows"),
        (lambda: FlowPrior(2, "MAF", {"speed": 1}), "options of zuko's MAF"),
        (lambda: VampPrior(0, DATA_SHAPE), "num_components=0"),
        (lambda: VampPrior(2, (4, 0)), r"data_shape=\(4, 0\)"),
        (lambda: VampPrior(2, DATA_SHAPE, data_range=(1, 1)), "low < high"),
        (lambda: MLP((4,), (0,)), r"out_shape=\(0,\)"),
        (lambda: MoGPrior(2, 9, init="data").fit_data(X, make_encoder()), "got 5"),
        (
            lambda: VampPrior(9, (4,), init="data").fit_data(X, make_encoder()),
            "got 5",
        ),
        (
            lambda: VampPrior(2, (4,), init="data").fit_data(X[:, :3], make_encoder()),
            r"\(5, 3\)",
        ),
        (
            lambda: VampPrior(2, (4,), init="data").fit_data(
                torch.full((5, 4), 2.0), make_encoder()
            ),
            "2, 2",
        ),
        (lambda: prior_class("vanp"), "did you mean VampPrior"),
        (lambda: make_prior("vamp", **FACTS, spread=1.0), "got spread"),
        (lambda: make_prior("conditionalmog", **{**FACTS, "num_labels": None}), "with labels"),
        (lambda: ConditionalMoGPrior(2, 3, 0), "num_labels of at least 1, got 0"),
        (lambda: ConditionalMoGPrior(2, 3, 2, spread=-1.0), "spread"),
        (lambda: ConditionalVampPrior(3, 0, (4,)), "num_labels of at least 1, got 0"),
        (lambda: ResampledPrior(0), "latent_dim of at least 1, got 0"),
        (lambda: ResampledPrior(2, truncation=1), "truncation of at least 2, got 1"),
        (lambda: ResampledPrior(2, "mgo"), "did you mean MoGPrior"),
        (lambda: ResampledPrior(2, "MoGPrior"), "num_components"),
        (lambda: ResampledPrior(2, ConditionalMoGPrior(2, 2, 3)), "does not need labels"),
        (lambda: ResampledPrior(2, ResampledPrior(2)), "is not resampled itself"),
        (lambda: make_prior("mixture", **FACTS), "expected components for the MixturePrior"),
        (lambda: MLP((4,), (2,), num_labels=0), r"num_labels=\(0,\)"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


FACTS = {
    "latent_dim": 2,
    "num_components": 3,
    "data_shape": (4,),
    "data_range": (0, 1),
    "num_labels": 3,
}


def test_every_exported_prior_is_made_by_its_name():
    assert set(prior_classes(composed=True).values()) == {type(case.make()) for case in CASES}
    for name, cls in prior_classes(composed=True).items():
        options = {
            MixturePrior: {"components": {"kind": "free"}},
            HierarchicalPrior: {"latent_dims": (3, 2)},
        }.get(cls, {})
        assert type(make_prior(name.removesuffix("Prior").lower(), **FACTS, **options)) is cls
