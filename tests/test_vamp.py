"""What a VampPrior can be asked beside its density: ranges, groups, starts, re-seeding."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from cases import DATA, DATA_SHAPE, make_encoder, mixture_log_prob
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    Context,
    FactorizedGaussianMixture,
    GaussianEncoder,
    GaussianMixture,
    GTMVampPrior,
    MoGPrior,
    VampPrior,
    load,
    save,
)
from priory.evaluation import components_in_use, dead_components
from priory.priors import Reseedable

LOW, HIGH = [[0.0, -2.0], [5.0, 0.0]], [[1.0, 2.0], [6.0, 16.0]]


class Identity(nn.Module):
    """An encoder whose posteriors lie at the data themselves."""

    def __init__(self, scale: float = 0.1) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x, context=None):
        return Independent(Normal(x, torch.full_like(x, self.scale)), 1)


def at_points(*points: list[float], **options) -> VampPrior:
    """Return a VampPrior over the plane with these pseudo-inputs."""
    prior = VampPrior(len(points), (2,), data_range=(-10, 10), **options)
    with torch.no_grad():
        prior.unfolded.copy_((torch.tensor(points) + 10) / 20)
    return prior


@pytest.mark.parametrize(
    "make",
    [
        lambda r: VampPrior(200, (2, 2), r),
        lambda r: VampPrior(200, (2, 2), r, inputs={"kind": "generated"}),
        lambda r: GTMVampPrior(196, (2, 2), r, grid_extent=50.0),
    ],
)
def test_every_dimension_has_a_range_of_its_own(make):
    prior = make((LOW, torch.tensor(HIGH)))
    low, high = torch.tensor(LOW), torch.tensor(HIGH)
    assert prior.data_range == (LOW, HIGH)
    u = prior.pseudo_inputs
    assert ((low <= u) & (u <= high)).all()
    assert (u.amax(0) - u.amin(0) > 0.8 * (high - low)).all()
    u.sum().backward()
    assert all(p.grad.isfinite().all() for p in prior.parameters() if p.grad is not None)


def test_free_pseudo_inputs_have_the_slope_of_their_own_dimension():
    prior = VampPrior(3, (2, 2), (LOW, HIGH))
    prior.pseudo_inputs.sum().backward()
    width = torch.tensor(HIGH) - torch.tensor(LOW)
    torch.testing.assert_close(prior.unfolded.grad.abs(), width.expand(3, 2, 2))


def test_an_encoder_maps_each_dimension_to_the_same_interval():
    seen = []
    encoder = GaussianEncoder(nn.Sequential(nn.Flatten(), MLP((4,), (4,))), (LOW, HIGH))
    encoder.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    encoder(torch.stack([torch.tensor(LOW), torch.tensor(HIGH)]))
    assert seen[0][0].eq(-1).all()
    assert seen[0][1].eq(1).all()


@pytest.mark.parametrize(
    ("data_range", "message"),
    [
        (([0, 0], [1, 0]), r"got 0\.0, 0\.0 at position \(1,\)"),
        ((0, [1, -2]), r"got 0\.0, -2\.0 at position \(1,\)"),
        (([0, 0, 0], [1, 1, 1]), r"shape of one example, \(2,\), got \(3,\)"),
        ((0, math.inf), "finite"),
    ],
)
def test_an_invalid_range_is_refused(data_range, message):
    for make in (lambda r: VampPrior(3, (2,), r), lambda r: GTMVampPrior(4, (2,), r)):
        with pytest.raises(ValueError, match=message):
            make(data_range)
    with pytest.raises(ValueError, match="low < high"):
        GaussianEncoder(MLP((2,), (4,)), ([0, 0], [1, 0]))


def test_data_beyond_the_range_of_a_dimension_are_refused():
    prior = VampPrior(2, (2,), ([0, 0], [1, 9]))
    prior.fit_data(torch.tensor([[1.0, 9.0], [0.0, 0.0]]), make_encoder())
    with pytest.raises(ValueError, match="each dimension"):
        prior.fit_data(torch.tensor([[2.0, 2.0]]), make_encoder())


def per_label(num_labels: int) -> dict:
    return {"kind": "per-label", "num_labels": num_labels}


def generated(*hidden_sizes: int) -> dict:
    return {"kind": "generated", "hidden_sizes": hidden_sizes}


@pytest.mark.parametrize("mixture", ["joint", "factorized"])
@pytest.mark.parametrize("inputs", ["free", generated()])
def test_labels_weigh_the_same_components_in_their_own_way(mixture, inputs):
    prior, encoder = (
        VampPrior(5, DATA_SHAPE, mixture=mixture, inputs=inputs, weights=per_label(3)),
        make_encoder(),
    )
    nn.init.normal_(prior.logits)
    group, z = torch.tensor([2, 0, 2, 1]), torch.randn(6, 4, 2)
    p = prior(encoder, Context(labels=group))
    assert (p.batch_shape, p.event_shape) == ((4,), (2,))
    assert p.sample((3,)).shape == (3, 4, 2)
    actual = p.log_prob(z)
    loc, scale = (getattr(encoder(prior.pseudo_inputs).base_dist, n) for n in ("loc", "scale"))
    for column, g in enumerate(group.tolist()):
        for row in (0, 5):
            expected = mixture_log_prob(
                z[row, column].tolist(), prior.logits[g], loc, scale, mixture == "factorized"
            )
            assert actual[row, column].item() == pytest.approx(expected, abs=1e-4)
    (grad,) = torch.autograd.grad(actual[:, 1].sum(), prior.logits)
    assert grad[0].abs().min() > 0
    assert grad[1:].eq(0).all()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "expected labels from 0 to 2, got none"),
        (Context(index=torch.arange(2)), "got none"),
        (Context(labels=torch.tensor([0, 3])), "from 0 to 2, got 3"),
        (Context(labels=torch.tensor([-1, 0])), "from 0 to 2, got -1"),
        (Context(label_shares=torch.rand(2, 3)), "got shares of labels"),
    ],
)
def test_a_group_is_needed_and_has_to_exist(context, message):
    with pytest.raises(ValueError, match=message):
        VampPrior(2, DATA_SHAPE, weights=per_label(3))(make_encoder(), context)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": per_label(0)}, "num_labels of at least 1, got 0"),
        (
            {"inputs": generated(), "init": "data"},
            "inputs of kind generated, got init='d",
        ),
        ({"inputs": generated(0)}, "at least one"),
        ({"inputs": {"kind": "generatd"}}, "did you mean generated"),
        ({"inputs": {"kind": "generated", "width": 3}}, "among num_components, .*got width"),
        ({"weights": "per-label"}, "expected num_labels for weights"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VampPrior(2, DATA_SHAPE, **options)


def test_medoids_are_the_data_with_the_smallest_sum_of_distances():
    x = torch.cat([0.1 * torch.rand(7, 4), 0.9 + 0.1 * torch.rand(9, 4)])
    prior = VampPrior(2, DATA_SHAPE, init="kmedoids")
    prior.fit_data(x, make_encoder())
    expected = []
    for cluster in (x[:7], x[7:]):
        sums = [sum((a - b).norm().item() for b in cluster) for a in cluster]
        expected.append(cluster[sums.index(min(sums))])
    actual = prior.pseudo_inputs.detach()
    actual = actual[actual[:, 0].argsort()]
    torch.testing.assert_close(actual, torch.stack(expected), atol=1e-6, rtol=0)


def test_dead_components_are_those_below_a_part_of_an_equal_share():
    loc = torch.tensor([[-50.0], [0.0], [50.0], [100.0]])
    z = torch.cat([loc[:1].repeat(597, 1), loc[1:2].repeat(400, 1), loc[2:3].repeat(3, 1)])
    for mixture in (GaussianMixture, FactorizedGaussianMixture):
        p = mixture(torch.zeros(4), loc, torch.ones(4, 1))
        assert dead_components(p, z).tolist() == [3]  # 3 of 1000 are above 0.01 / 4
        assert dead_components(p, z, threshold=0.02).tolist() == [2, 3]
        assert dead_components(p, z.repeat(10, 1)).tolist() == [3]  # in parts
    assert dead_components(Normal(0.0, 1.0), z) is None
    groups = GaussianMixture(torch.zeros(1000, 4), loc, torch.ones(4, 1))
    assert dead_components(groups, z).tolist() == [3]
    assert components_in_use(groups, z) == pytest.approx(components_in_use(p, z))


@pytest.mark.parametrize("weights", ["learned", per_label(2)])
def test_reseeding_moves_the_dead_to_what_is_explained_worst(weights):
    near, far = [[0.0, 0.0], [0.1, 0.0]], [[5.0, 5.0], [5.1, 5.0], [-6.0, 4.0]]
    x, encoder = torch.tensor(near * 20 + far), Identity()
    context = None if weights == "learned" else Context(labels=torch.arange(len(x)) % 2)
    prior = at_points([0.0, 0.0], [9.0, -9.0], [0.1, 0.0], [-9.0, -9.0], weights=weights)
    with torch.no_grad():
        prior.logits += torch.tensor([1.0, 0.0, 2.0, -20.0])
    before = prior.logits.softmax(-1)
    assert isinstance(prior, Reseedable)
    log_prob = prior(encoder, context).log_prob(x)
    assert prior.reseed(x, encoder, context) == 2
    u = prior.pseudo_inputs.detach()
    torch.testing.assert_close(u[[0, 2]], torch.tensor(near))
    # The two neighbours far away are one place, so that the other component goes elsewhere.
    distance = torch.cdist(u[[1, 3]], torch.tensor(far)[1:])
    assert sorted(distance.argmin(1).tolist()) == [0, 1]
    assert distance.amin(1).max() < 0.11
    after = prior.logits.softmax(-1)
    torch.testing.assert_close(after[..., [1, 3]], torch.full_like(after[..., [1, 3]], 0.25))
    kept = before[..., [0, 2]] / before[..., [0, 2]].sum(-1, keepdim=True)
    torch.testing.assert_close(after[..., [0, 2]], kept / 2)
    assert prior(encoder, context).log_prob(x)[-3:].min() > log_prob[-3:].max()
    assert prior.reseed(x, encoder, context) == 0


def test_reseeding_takes_no_more_than_half_the_mass_and_leaves_uniform_weights():
    x = torch.tensor([[0.0, 0.0]] * 300 + [[4.0, 4.0], [-4.0, 4.0], [4.0, -4.0]])
    points = [[0.0, 0.0], [9.0, 9.0], [9.0, -9.0], [-9.0, -9.0]]
    prior = at_points(*points)
    assert prior.reseed(x, Identity()) == 3
    torch.testing.assert_close(prior.logits.exp(), torch.tensor([0.5, *[0.5 / 3] * 3]))
    uniform = at_points(*points, weights="uniform")
    assert uniform.reseed(x, Identity()) == 3
    assert uniform.logits.eq(0).all()


def test_reseeding_is_refused_where_it_cannot_be():
    with pytest.raises(ValueError, match="got posteriors components at generated inputs"):
        VampPrior(30, DATA_SHAPE, inputs=generated()).reseed(DATA, make_encoder())
    with pytest.raises(ValueError, match="within"):
        VampPrior(3, DATA_SHAPE).reseed(DATA + 1, make_encoder())


PLACES = [[-6.0, 0.0], [6.0, 0.0], [0.0, 6.0], [0.0, -6.0]]


def mog_at_places() -> MoGPrior:
    prior = MoGPrior(2, 4)
    with torch.no_grad():
        prior.loc.copy_(torch.tensor(PLACES))
        prior.log_scale.fill_(math.log(0.1))
    return prior


@pytest.mark.parametrize("make", [lambda: at_points(*PLACES), mog_at_places])
@pytest.mark.parametrize(("keep", "kept"), [(2, [0, 2]), (0.8, [0, 2]), (0.85, [0, 2, 3])])
def test_pruning_keeps_what_data_use_and_says_what_it_costs(make, keep, kept):
    prior, encoder = make(), Identity()
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.3, 0.3, 0.2, 0.2]).log())
    x = torch.tensor(PLACES)[[0] * 50 + [2] * 30 + [3] * 15 + [1] * 5]
    state = {key: value.clone() for key, value in prior.state_dict().items()}
    pruned = prior.prune(encoder, x, keep=keep)
    assert pruned.kept.tolist() == kept
    assert type(pruned.prior) is type(prior)
    assert pruned.prior.num_components == len(kept)
    assert all(value.equal(state[key]) for key, value in prior.state_dict().items())
    p, weights = pruned.prior(encoder), torch.tensor([0.3, 0.3, 0.2, 0.2])[kept]
    torch.testing.assert_close(p.loc, torch.tensor(PLACES)[kept], atol=1e-5, rtol=0)
    torch.testing.assert_close(p.logits.exp(), weights / weights.sum())
    losses = [
        (prior(encoder).log_prob(x) - p.log_prob(x))[i].item() for i in range(len(x))
    ]  # at the means; a sample lies a few scales from them
    mean = sum(losses) / len(losses)
    error = math.sqrt(sum((v - mean) ** 2 for v in losses) / (len(losses) - 1) / len(losses))
    assert pruned.loss_in_nats == pytest.approx(mean, rel=0.1)
    assert pruned.standard_error == pytest.approx(error, rel=0.1)


def test_pruning_to_all_loses_nothing_and_a_wrong_number_is_refused():
    prior, encoder = at_points(*PLACES), Identity()
    x = torch.tensor(PLACES).repeat(5, 1)
    for keep in (4, 1.0):
        pruned = prior.prune(encoder, x, keep)
        assert pruned.kept.tolist() == [0, 1, 2, 3]
        assert pruned.loss_in_nats == pytest.approx(0, abs=1e-5)
    for keep in (0, 5, 1.5, -0.1, True):
        with pytest.raises(ValueError, match="from 1 to 4 components"):
            prior.prune(encoder, x, keep)


def test_generated_and_grouped_priors_are_pruned_too():
    encoder, context = make_encoder(), Context(labels=torch.arange(5) % 2)
    prior = VampPrior(6, DATA_SHAPE, inputs=generated(7), weights=per_label(2)).double().eval()
    nn.init.normal_(prior.logits)
    pruned = prior.prune(encoder.double(), DATA.double(), 3, context)
    u, smaller = prior.pseudo_inputs[pruned.kept], pruned.prior
    torch.testing.assert_close(smaller.pseudo_inputs, u)
    assert smaller.logits.equal(prior.logits[:, pruned.kept])
    assert smaller.inputs.hidden_sizes == (7,)
    assert not smaller.training


def test_a_generator_moves_all_pseudo_inputs_together():
    free, made = VampPrior(8, (3,)), VampPrior(8, (3,), inputs=generated(5))
    for prior, moved in ((free, 1), (made, 8)):
        before = prior.pseudo_inputs.detach()
        prior.pseudo_inputs[0].sum().backward()
        with torch.no_grad():
            for parameter in prior.parameters():
                if parameter.grad is not None:
                    parameter -= 0.01 * parameter.grad
        assert (prior.pseudo_inputs != before).any(-1).sum() == moved


def test_ranges_generators_and_groups_are_saved(tmp_path):
    encoder, decoder = make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE))
    low, high = [0.0, -1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 2.0]
    prior = VampPrior(6, DATA_SHAPE, (low, high), inputs=generated(7), weights=per_label(2))
    save(VAE(encoder, decoder, prior), tmp_path)
    loaded = load(tmp_path).prior
    assert str(loaded) == str(prior.eval())
    assert loaded.pseudo_inputs.equal(prior.pseudo_inputs)
