"""Mixture priors are composed of parts, and parts are plain mappings too."""

import json

import pytest
import torch

from cases import CASES, DATA, DATA_SHAPE, Case, make_encoder
from priory import (
    ConditionalVampPrior,
    Context,
    MixturePrior,
    MoGPrior,
    ResampledPrior,
    VampPrior,
    prior_of,
)
from priory.priors import Reseedable
from priory.priors.parts import Part, mapping_of, part_of
from priory.priors.parts.base import kinds

MIXTURES = [case for case in CASES if isinstance(case.make(), MixturePrior)]
over_mixtures = pytest.mark.parametrize("case", MIXTURES, ids=lambda case: case.name)
Z = torch.linspace(-2, 2, 12).view(6, 1, 2)


@over_mixtures
def test_parts_come_back_from_their_mappings(case: Case):
    prior = case.build()
    described = {role: mapping_of(getattr(prior, role)) for role in ("components", "weights")}
    again = MixturePrior(**json.loads(json.dumps(described)), mixture=prior.mixture)
    again.load_state_dict(prior.state_dict())
    if "exemplar" in case.name:
        again.fit_data(DATA, make_encoder())
    encoder = make_encoder()
    p, q = (r.eval()(encoder, case.context) for r in (prior, again))
    assert p.log_prob(Z).equal(q.log_prob(Z))


def test_every_part_of_the_allow_list_is_in_the_table_of_priors():
    met = {
        (module.role, module.kind)
        for case in CASES
        for module in case.make().modules()
        if isinstance(module, Part)
    } | {("weights", "per-label")}
    assert {(cls.role, cls.kind) for cls in kinds().values()} == met


@pytest.mark.parametrize(
    ("role", "mapping", "message"),
    [
        ("inputs", {"kind": "fre"}, "of kind exemplars, free, .*got 'fre'; did you mean free"),
        ("inputs", {}, "got None"),
        ("inputs", {"kind": "free", "width": 3}, "among num_components, .*got width"),
        ("inputs", {"kind": "free"}, "expected num_components, data_shape for inputs"),
        ("weights", {"kind": "per-label", "num_components": 3}, "expected num_labels for weights"),
        ("components", {"kind": "posteriors", "inputs": {"kind": "sheet"}}, "got 'sheet'"),
    ],
)
def test_mappings_that_describe_no_part_are_refused_in_a_sentence(role, mapping, message):
    with pytest.raises(ValueError, match=message) as caught:
        part_of(role, mapping)
    assert "\n" not in str(caught.value)


def test_a_part_of_another_role_is_refused():
    with pytest.raises(TypeError, match="expected weights, got FreeComponents"):
        part_of("weights", MoGPrior(2, 3).components)


def test_a_proposal_that_is_not_a_prior_is_refused_with_the_adapter_named():
    with pytest.raises(TypeError, match=r"expected a prior, .*got Linear; .*as_prior\(x\)"):
        prior_of(torch.nn.Linear(2, 2), latent_dim=2)


def test_facts_of_a_model_reach_the_parts_of_a_prior():
    facts = {
        "latent_dim": 2,
        "num_components": 6,
        "init": "data",
        "data_shape": DATA_SHAPE,
        "data_range": (0, 1),
        "num_labels": 3,
    }
    inputs = {"kind": "generated", "hidden_sizes": [5]}
    prior = prior_of({"kind": "vamp", "inputs": inputs, "weights": {"kind": "per-label"}}, **facts)
    assert (prior.inputs.num_components, prior.inputs.hidden_sizes) == (6, (5,))
    assert prior.weights.logits.shape == (3, 6)
    whole = {"kind": "posteriors", "inputs": {"kind": "free"}}
    prior = prior_of({"kind": "mixture", "components": whole}, **facts)
    assert (prior.init, prior.data_shape) == ("data", DATA_SHAPE)
    prior = prior_of({"kind": "resampled", "proposal": {"kind": "vamp", "init": "random"}}, **facts)
    assert (prior.proposal.num_components, prior.proposal.init) == (6, "random")


OLD_AND_NEW = [
    (
        lambda: VampPrior(4, DATA_SHAPE, generator=(3,)),
        lambda: VampPrior(4, DATA_SHAPE, inputs={"kind": "generated", "hidden_sizes": (3,)}),
    ),
    (
        lambda: VampPrior(4, DATA_SHAPE, (0, 1), "learned", "random", False, None, 2),
        lambda: VampPrior(4, DATA_SHAPE, weights={"kind": "per-label", "num_labels": 2}),
    ),
    (
        lambda: VampPrior(4, DATA_SHAPE, factorized=True),
        lambda: VampPrior(4, DATA_SHAPE, mixture="factorized"),
    ),
    (lambda: MoGPrior(2, 4, factorized=True), lambda: MoGPrior(2, 4, mixture="factorized")),
    (
        lambda: ConditionalVampPrior(4, 3, DATA_SHAPE, covariates="learned"),
        lambda: ConditionalVampPrior(4, 3, DATA_SHAPE, labels="learned"),
    ),
    (
        lambda: ResampledPrior(2, "MoGPrior", {"num_components": 3}, 20),
        lambda: ResampledPrior(2, MoGPrior(2, 3), truncation=20),
    ),
    (
        lambda: ResampledPrior(
            2,
            proposal="VampPrior",
            proposal_options={"weights": "uniform"},
            facts={"num_components": 3, "data_shape": DATA_SHAPE, "data_range": (0, 1)},
        ),
        lambda: ResampledPrior(2, VampPrior(3, DATA_SHAPE, weights="uniform")),
    ),
]


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_the_words_of_version_0_1_are_translated_with_one_warning(old, new):
    torch.manual_seed(0)
    with pytest.warns(DeprecationWarning, match="is from version 0.1; use .* instead") as caught:
        before = old()
    assert len(caught) == 1
    torch.manual_seed(0)
    now = new()
    assert str(before) == str(now)
    encoder, context = make_encoder(), Context(labels=torch.tensor([0, 1]))
    p, q = (prior.eval()(encoder, context) for prior in (before, now))
    assert p.log_prob(Z).equal(q.log_prob(Z))


def test_learned_weights_of_groups_alone_can_be_had():
    with pytest.raises(ValueError, match="expected learned weights for groups"):
        VampPrior(4, DATA_SHAPE, weights="uniform", num_groups=2)


def test_components_of_a_mixture_of_gaussians_are_re_seeded_too():
    prior = MoGPrior(2, 3)
    with torch.no_grad():
        prior.loc.copy_(torch.tensor([[0.0, 0.0], [0.1, 0.0], [50.0, 50.0]]))
    assert isinstance(prior, Reseedable)
    encoder = make_encoder()
    log_prob = prior().log_prob(encoder(DATA).mean).min()
    assert prior.reseed(DATA, encoder) == 1
    assert prior().log_prob(encoder(DATA).mean).min() > log_prob
    distance = torch.cdist(prior.loc[2:], encoder(DATA).mean)
    assert distance.min() < 1e-6


def test_what_a_part_has_the_prior_shows_and_sets():
    prior = VampPrior(3, DATA_SHAPE)
    assert prior.logits is prior.weights.logits
    assert prior.unfolded is prior.components.inputs.unfolded
    with torch.no_grad():
        prior.logits += 1
    assert prior.weights.logits.eq(1).all()
    assert "logits" not in prior._parameters
    with pytest.raises(AttributeError, match="no attribute 'loc'"):
        prior.loc  # noqa: B018
