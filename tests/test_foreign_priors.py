"""Priors of other people's distributions, flows and modules."""

import io

import pytest
import torch
from torch import nn
from torch.distributions import (
    AffineTransform,
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    TransformedDistribution,
)

import priory
from cases import DATA, DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    Context,
    FlowPrior,
    MoGPrior,
    aggregated_posterior,
    fit_prior,
    loss,
)
from priory.adapters import as_prior
from priory.distributions.torch_distributions import without_argument_checks
from priory.networks.calls import num_arguments
from priory.testing import check_prior

BITS = DATA.round()
QUIET = {"verbose": False}


class Sheet(nn.Module):
    """A module that returns a distribution and takes nothing."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Parameter(torch.tensor([0.5, -1.0]))

    def forward(self):
        return Independent(Normal(self.loc, torch.full_like(self.loc, 0.7)), 1)


class Unfinished(nn.Module):
    def forward(self):
        raise RuntimeError("not yet")


class Posteriors(nn.Module):
    """A module that takes the encoder, and sees the training data."""

    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.rand(3, *DATA_SHAPE))

    def forward(self, encoder):
        q = encoder(self.x.sigmoid())
        return MixtureSameFamily(Categorical(logits=self.x.new_zeros(3)), q)

    def fit_data(self, x, encoder, context):
        self.x.data.copy_(x[:3])


class OfLabels(nn.Module):
    """A module that takes the context."""

    num_labels = 3

    def __init__(self):
        super().__init__()
        self.loc = nn.Parameter(torch.randn(3, 2))

    def forward(self, encoder, context):
        return Independent(Normal(self.loc[context.labels], 1.0), 1)


def flow(**options):
    FlowPrior(2)  # which imports zuko, and puts torch's checks of arguments back
    import zuko

    return zuko.flows.NSF(2, transforms=1, hidden_features=[4], **options)


def mixture(loc=None):
    loc = nn.Parameter(torch.randn(3, 2)) if loc is None else loc
    parts = Independent(Normal(loc, torch.full((3, 2), 0.8)), 1)
    return MixtureSameFamily(Categorical(logits=torch.tensor([0.0, 0.5, 1.0])), parts)


def stretched():
    noise = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    scale = nn.Parameter(torch.tensor([1.0, 2.0]))
    return TransformedDistribution(noise, [AffineTransform(torch.ones(2), scale, event_dim=1)])


def normal():
    return Independent(Normal(nn.Parameter(torch.zeros(2)), nn.Parameter(torch.tensor(1.5))), 1)


def correlated():
    return MultivariateNormal(nn.Parameter(torch.zeros(2)), torch.tensor([[1.0, 0.5], [0.5, 2.0]]))


FOREIGN = [flow, mixture, stretched, normal, correlated, Sheet, Posteriors]
over_foreign = pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)


@over_foreign
def test_foreign_priors_pass_the_kit(make):
    slow = ["compile", "export", "kernel stein", "independent draws"]
    report = check_prior(lambda: as_prior(make()), make_encoder(), skip=slow)
    assert [r.check for r in report.results if r.verdict == "failed"] == []


@over_foreign
def test_foreign_priors_are_trained_and_fitted(make):
    prior, encoder = as_prior(make()), make_encoder()
    assert as_prior(prior) is prior
    vae = VAE(encoder, BernoulliDecoder(MLP((2,), DATA_SHAPE)), prior)
    loss(vae, BITS).backward()
    weights = list(prior.parameters())
    assert weights
    assert all(weight.grad is not None for weight in weights)
    assert vae.sample(3).shape == (3, 4)
    settings = {"max_epochs": 4, "learning_rate": 0.05}
    fit = fit_prior(prior, encoder, DATA.repeat(8, 1), **settings, **QUIET)
    assert fit.epochs == 4
    assert fit.after.train.value < fit.before.train.value


def test_the_numbers_are_those_of_the_distribution():
    z = torch.randn(5, 2)
    for make in (mixture, stretched, normal, correlated):
        p = make()
        assert as_prior(p)().log_prob(z).equal(p.log_prob(z))
        expected = p.log_prob(z)
        double = as_prior(p).double()().log_prob(z.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), expected)
    module = Sheet()
    assert as_prior(module)().log_prob(z).equal(module().log_prob(z))
    zuko_flow = flow()
    assert as_prior(zuko_flow)().log_prob(z).equal(zuko_flow().log_prob(z))


def test_parameters_are_trained_and_other_tensors_are_constants():
    loc = nn.Parameter(torch.zeros(3, 2))
    prior = as_prior(mixture(loc))
    assert {id(weight) for weight in prior.parameters()} == {id(loc)}
    assert len(prior.state_dict()) == 3
    before = prior().log_prob(torch.ones(2))
    with torch.no_grad():
        loc.add_(1.0)
    assert prior().log_prob(torch.ones(2)) > before
    state = io.BytesIO()
    torch.save(prior.state_dict(), state)
    state.seek(0)
    other = as_prior(mixture())
    other.load_state_dict(torch.load(state))
    assert other().log_prob(torch.ones(2)).equal(prior().log_prob(torch.ones(2)))
    leaf = torch.zeros(2, requires_grad=True)
    assert len([*as_prior(Independent(Normal(leaf, 1.0), 1)).parameters()]) == 1
    fixed = as_prior(aggregated_posterior(make_encoder(), DATA))
    assert not [*fixed.parameters()]
    assert fixed().sample((7,)).shape == (7, 2)


def test_a_module_gets_what_it_asks_for():
    labels = Context(labels=torch.tensor([2, 0, 1, 1, 0]))
    prior = as_prior(OfLabels())
    assert (prior.num_labels, prior.needs_labels) == (3, True)
    vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE)), prior)
    loss(vae, BITS, context=labels).backward()
    assert prior.module.loc.grad is not None

    class ByName(nn.Module):
        def forward(self, encoder=None, context=None):
            q = encoder(DATA[context.index])
            return MixtureSameFamily(Categorical(logits=torch.zeros(len(q.mean))), q)

    rows = Context(index=torch.tensor([0, 2, 3]))
    by_name, z = as_prior(ByName())(make_encoder(), rows), torch.randn(5, 2)
    expected = aggregated_posterior(make_encoder(), DATA[rows.index])
    torch.testing.assert_close(by_name.log_prob(z), expected.log_prob(z))
    posteriors = as_prior(Posteriors())
    posteriors.fit_data(DATA, make_encoder())
    assert posteriors.module.x.equal(DATA[:3])
    for module, number in ((Sheet(), 0), (Posteriors(), 1), (OfLabels(), 2), (ByName(), 2)):
        assert num_arguments(module) == number
        with without_argument_checks():  # which the compiler leaves switched off
            assert num_arguments(torch.compile(module, backend="eager")) == number
    assert num_arguments(flow()) == 0  # its one argument is another's context


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: 3, TypeError, "a zuko flow or another nn.Module .* got int"),
        (lambda: MoGPrior, TypeError, "got the class MoGPrior"),
        (lambda: lambda: mixture(), TypeError, "got function"),
        (lambda: Normal(torch.zeros(2), 1.0), ValueError, r"write Independent\(Normal\(...\), 1\)"),
        (lambda: Normal(0.0, 1.0), ValueError, "let each z be one vector"),
        (
            lambda: normal().expand((3,)),
            ValueError,
            r"batch shape \(3,\); for a mixture over the batch",
        ),
        (
            lambda: Independent(Normal(torch.zeros(2), nn.Parameter(torch.zeros(2)).exp()), 1),
            ValueError,
            "got base_dist_scale, which was computed from parameters .* a module",
        ),
        (
            lambda: MultivariateNormal(torch.zeros(2), nn.Parameter(torch.eye(2)).T),
            ValueError,
            "covariance_matrix, which was computed",
        ),
        (lambda: flow()(), ValueError, "a module computes|computed from parameters"),
        (lambda: flow(context=3), TypeError, "use a flow without a context"),
        (lambda: Unfinished(), TypeError, r"got Unfinished, which fails \(not yet\)"),
    ],
)
def test_anything_but_a_prior_is_refused_in_a_sentence(make, error, message):
    with pytest.raises(error, match=message) as caught:
        as_prior(make())
    assert "\n" not in str(caught.value)


def test_a_module_that_returns_no_distribution_is_refused():
    class Wrong(Posteriors):
        def forward(self, encoder):
            return encoder(self.x.sigmoid()).mean

    with pytest.raises(TypeError, match="from the call of Wrong, got Tensor"):
        as_prior(Wrong())(make_encoder())


def test_a_foreign_prior_trains_in_one_call_and_is_saved(tmp_path):
    x = (torch.rand(60, 9) < 0.5).float()
    model = priory.fit(x, prior=as_prior(flow()), max_epochs=1, hidden_sizes=(8,), **QUIET)
    assert model.encoder(x).event_shape == (2,)
    priory.save(model, tmp_path)
    with pytest.raises(ValueError, match="ModulePrior"):
        priory.load(tmp_path)
    loaded = priory.load(tmp_path, prior=as_prior(flow()))
    z = torch.randn(3, 2)
    assert loaded.prior().log_prob(z).equal(model.prior().log_prob(z))
