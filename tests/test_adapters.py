"""Encoders and priors of other people's libraries, and what is said where one comes in as it is."""

import copy
import io
import pickle
from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import (
    AffineTransform,
    Categorical,
    Distribution,
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
    StandardPrior,
    VampPrior,
    aggregated_posterior,
    fit_prior,
    loss,
)
from priory.adapters import as_prior, posterior
from priory.evaluation import cross_entropy
from priory.testing import check_prior
from processes import python

X = torch.rand(6, 4)
BITS = DATA.round()
QUIET = {"verbose": False}


class Moments(nn.Module):
    """A network with a head for the means and one for the logarithms of the variances."""

    def __init__(self, latent_shape=(2,)):
        super().__init__()
        self.net = nn.Linear(4, 2 * torch.Size(latent_shape).numel())
        self.latent_shape = latent_shape

    def forward(self, x):
        mu, log_variance = self.net(x).chunk(2, dim=-1)
        return mu.unflatten(-1, self.latent_shape), log_variance.unflatten(-1, self.latent_shape)


class LatentDist:
    """As diffusers has it."""

    def __init__(self, mean, logvar):
        self.mean, self.logvar = mean, logvar
        self.var, self.std = logvar.exp(), (logvar / 2).exp()


class AutoencoderKLOutput:
    def __init__(self, latent_dist):
        self.latent_dist = latent_dist


class AutoencoderKL(nn.Module):
    """As diffusers has it: latents are images, and what `encode` returns holds a distribution."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Moments((2, 1, 2)), nn.Linear(4, 4)

    def encode(self, x):
        return AutoencoderKLOutput(LatentDist(*self.encoder(x)))


class ModelOutput(OrderedDict):
    """As pythae has it: a mapping whose keys are attributes too."""

    def __getattr__(self, name):
        return self[name]


class PythaeEncoder(Moments):
    def forward(self, x):
        mu, log_variance = super().forward(x)
        return ModelOutput(embedding=mu, log_covariance=log_variance)


class ScviModel:
    """As scvi-tools has it: the model is no module but holds one, which returns a distribution."""

    def __init__(self):
        self.module = Moments()

    def inference(self, x):
        mu, log_variance = self.module(x)
        return {"z": None, "qz": Normal(mu, (log_variance / 2).exp())}


KINDS = {
    "diffusers": (
        AutoencoderKL,
        lambda host: posterior(host.encode, mean="latent_dist.mean", scale="latent_dist.std"),
        lambda host: host.encoder,
    ),
    "diffusers, by functions": (
        AutoencoderKL,
        lambda host: posterior(
            host.encode,
            mean=lambda out: out.latent_dist.mean,
            variance=lambda out: out.latent_dist.var,
        ),
        lambda host: host.encoder,
    ),
    "pythae": (
        PythaeEncoder,
        lambda host: posterior(host, mean="embedding", log_variance="log_covariance"),
        lambda host: lambda x: tuple(host(x).values()),
    ),
    "scvi": (
        ScviModel,
        lambda host: posterior(host.inference, mean="qz.loc", scale="qz.scale"),
        lambda host: host.module,
    ),
    "a tuple": (
        Moments,
        lambda host: posterior(lambda x: host(x), mean=0, log_variance=-1),
        lambda host: host,
    ),
    "a partial": (
        Moments,
        lambda host: posterior(partial(Moments.forward, host), mean=0, log_variance=1),
        lambda host: host,
    ),
}
over_kinds = pytest.mark.parametrize(
    ("make", "adapt", "moments"), list(KINDS.values()), ids=list(KINDS)
)


@over_kinds
def test_moments_become_posteriors(make, adapt, moments):
    host = make()
    encoder = adapt(host)
    q = encoder(X)
    mu, log_variance = moments(host)(X)
    assert q.event_shape == (mu[0].numel(),)
    assert encoder.latent_shape == mu.shape[1:]
    z = q.sample((3,))
    expected = -0.5 * (
        (z - mu.flatten(1)) ** 2 / log_variance.flatten(1).exp()
        + log_variance.flatten(1)
        + torch.log(torch.tensor(2 * torch.pi))
    ).sum(-1)
    torch.testing.assert_close(q.log_prob(z), expected)


@over_kinds
def test_an_adapted_model_goes_wherever_an_encoder_goes(make, adapt, moments):
    host = make()
    encoder = adapt(host)
    weights = {id(w) for w in moments(host).parameters()} if make is not PythaeEncoder else set()
    assert weights <= {id(w) for w in encoder.parameters()}
    latent_dim = encoder(X).event_shape[0]
    vae = VAE(encoder, BernoulliDecoder(MLP((latent_dim,), DATA_SHAPE)), VampPrior(3, DATA_SHAPE))
    loss(vae, X.round()).backward()
    assert all(w.grad is not None for w in encoder.parameters() if id(w) in weights)
    assert aggregated_posterior(encoder, X).loc.shape == (6, latent_dim)
    before = [w.clone() for w in encoder.parameters()]
    fit = fit_prior("mog", encoder, DATA.repeat(8, 1), num_components=2, max_epochs=2, **QUIET)
    assert fit.bound is not None
    for weight, old in zip(encoder.parameters(), before, strict=True):
        assert weight.equal(old)
        assert weight.requires_grad


def three_spreads(sd: float):
    """A call whose posteriors are of one standard deviation, and which returns all three."""

    def encode(x):
        scale = torch.full_like(x, sd)
        return {"mu": x, "a": scale, "b": scale**2, "c": 2 * scale.log()}

    return encode


def test_the_three_spreads_are_the_same_density():
    z = torch.randn(5, 6, 4)
    encode = three_spreads(0.3)
    by_scale = posterior(encode, mean="mu", scale="a")(X)
    for spread in ({"variance": "b"}, {"log_variance": "c"}):
        q = posterior(encode, mean="mu", **spread)(X)
        torch.testing.assert_close(q.log_prob(z), by_scale.log_prob(z))
        torch.testing.assert_close(q.base_dist.scale, by_scale.base_dist.scale)


def test_a_variance_is_not_taken_for_a_scale_without_a_word():
    """It would be silent, and its numbers better than the true ones."""
    encode = three_spreads(0.5)
    x, p = 0.1 * torch.randn(2000, 4), StandardPrior(4)()
    right, wrong = (
        cross_entropy(p, posterior(encode, mean="mu", **spread)(x).sample((20,))).value
        for spread in ({"variance": "b"}, {"scale": "b"})
    )
    assert wrong < right - 0.3
    for spreads in ({}, {"scale": "a", "variance": "b"}, {"scale": "a", "log_variance": "c"}):
        with pytest.raises(ValueError, match="exactly one of scale") as caught:
            posterior(encode, mean="mu", **spreads)
        assert (" and ".join(spreads) or "none") in str(caught.value)
    for spread, named_for, advice in [
        ({"scale": "qz_var"}, "a variance", "give variance='qz_var'"),
        ({"scale": "log_covariance"}, "the logarithm of a variance", "give log_variance="),
        ({"scale": "log_std"}, "the logarithm of a standard deviation", "give scale=lambda"),
        ({"variance": "latent_dist.logvar"}, "the logarithm of a variance", "give log_variance="),
        ({"log_variance": "stddev"}, "a standard deviation", "give scale='stddev'"),
    ]:
        with pytest.raises(ValueError, match=f"named for {named_for}; {advice}"):
            posterior(encode, mean="mu", **spread)


OUT = {"mu": X, "logvar": X - 0.5, "short": X[:, :1], "row": X[0], "half": X[:3], "none": None}


@pytest.mark.parametrize(
    ("result", "where", "message"),
    [
        (
            OUT,
            {"mean": "mus", "scale": "mu"},
            "mean='mus' .* got dict with mu, .*; did you mean",
        ),
        (OUT, {"mean": "mu", "scale": "a.b"}, "scale='a.b'"),
        (OUT, {"mean": 0, "scale": 1}, "a tuple from the call for mean=0, got dict with mu"),
        (X, {"mean": 0, "scale": 1}, r"a tensor of shape \(6, 4\); give a key, or a function"),
        ((X, X), {"mean": 0, "scale": 2}, "scale=2 to be in a tuple of 2"),
        (X, {"mean": "mu", "scale": "std"}, r"got a tensor of shape \(6, 4\)"),
        (OUT, {"mean": "none", "scale": "mu"}, "at mean='none', got NoneType"),
        (OUT, {"mean": "mu", "scale": "keys"}, "at scale='keys', got builtin"),
        (OUT, {"mean": lambda out: X > 0, "scale": "mu"}, "at mean, got torch.bool"),
        (OUT, {"mean": "half", "scale": "mu"}, r"\(6, L\), a row for each .* got \(3, 4\)"),
        (OUT, {"mean": "row", "scale": "mu"}, r"got \(4,\); give mean=lambda"),
        (OUT, {"mean": "mu", "scale": "row"}, r"scale of shape \(6, 4\).* got \(4,\)"),
        (OUT, {"mean": "mu", "variance": "half"}, r"variance of shape \(6, 4\).* got \(3, 4\)"),
        (OUT, {"mean": "mu", "scale": lambda out: out["logvar"]}, "say so with variance= or log_v"),
        (OUT, {"mean": "mu", "variance": lambda out: out["logvar"]}, "say so with scale= or log_v"),
        (OUT, {"mean": "mu", "scale": lambda out: X * torch.nan}, "got nan"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(result, where, message):
    encoder = posterior(lambda x: result, **where)
    with pytest.raises(ValueError, match=message) as caught:
        encoder(X)
    assert "\n" not in str(caught.value)


def test_a_scale_is_checked_where_torch_checks_nothing():
    before = Distribution.__dict__["_validate_args"]
    Distribution.set_default_validate_args(False)  # as zuko does when it is imported
    try:
        with pytest.raises(ValueError, match="a standard deviation of a scale above zero"):
            posterior(lambda x: (x, x - 5), mean=0, scale=1)(X)
    finally:
        Distribution.set_default_validate_args(before)


def test_a_spread_may_be_shared():
    for shared in (torch.tensor(0.3), torch.full((1, 4), 0.3), torch.full((6, 1), 0.3)):
        q = posterior(lambda x, s=shared: (x, s), mean=0, scale=1)(X)
        torch.testing.assert_close(q.stddev, torch.full((6, 4), 0.3))


def test_a_deterministic_encoder_gives_points():
    encoder = posterior(nn.Linear(4, 2), mean=lambda z: z, scale=torch.zeros_like)
    assert encoder(X).sample().equal(encoder(X).mean)
    fit = fit_prior("mog", encoder, DATA.repeat(8, 1), num_components=2, max_epochs=2, **QUIET)
    assert fit.bound is None


class Shaky(Moments):
    """A network that is another in training than in evaluation."""

    def __init__(self):
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.modes = []

    def encode(self, x):
        self.modes.append((self.training, self.norm.training, self.dropout.training))
        return self(self.dropout(self.norm(x)))


@pytest.mark.parametrize(
    "call_of",
    [
        lambda model: model.encode,
        lambda model: partial(model.encode),
        lambda model: lambda x: model.encode(x),
        lambda model: posterior(
            model.encode, mean=0, log_variance=1, eval_mode=False
        ).function.__func__.__get__(model),
    ],
    ids=["method", "partial", "function", "bound"],
)
def test_the_modules_behind_a_call_run_in_evaluation_mode(call_of):
    model = Shaky()
    model.dropout.eval()
    encoder = posterior(call_of(model), mean=0, log_variance=1)
    torch.testing.assert_close(encoder(X).mean, encoder(X).mean)
    assert model.modes[0] == (False, False, False)
    assert (model.training, model.norm.training, model.dropout.training) == (True, True, False)
    assert model.norm.running_mean.eq(0).all()
    trained = posterior(call_of(model), mean=0, log_variance=1, eval_mode=False)
    trained(X)
    assert model.modes[-1] == (True, True, False)
    assert model.norm.running_mean.ne(0).all()
    failing = posterior(call_of(model), mean=2, log_variance=1)
    with pytest.raises(ValueError, match="mean=2"):
        failing(X)
    assert model.norm.training


def test_fit_prior_holds_the_modules_behind_a_method_still():
    model = Shaky()

    def encoder(x):
        mu, log_variance = model.encode(x)
        return Independent(Normal(mu, (log_variance / 2).exp()), 1)

    for call in (encoder, partial(encoder)):
        fit_prior("mog", call, DATA.repeat(8, 1), num_components=2, max_epochs=1, **QUIET)
        assert not any(any(modes) for modes in model.modes)
        assert model.norm.running_mean.eq(0).all()
        assert all(module.training for module in model.modules())


def test_the_prior_of_the_model_that_is_the_encoder_is_still_fitted():
    vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE)), MoGPrior(2, 3))
    for encoder in (vae.posterior, posterior(vae.posterior, mean="mean", scale="stddev")):
        before = vae.prior.loc.detach().clone()
        fit = fit_prior(vae.prior, encoder, DATA.repeat(8, 1), max_epochs=2, **QUIET)
        assert fit.epochs == 2
        assert not vae.prior.loc.equal(before)
        assert not vae.prior.training


def test_only_what_declares_labels_is_told():
    told = []

    class Told(Moments):
        num_labels = 3

        def encode(self, x, context):
            told.append(context.labels)
            return self(x)

    context = Context(labels=torch.tensor([0, 1, 2, 0, 1, 2]))
    encoder = posterior(Told().encode, mean=0, log_variance=1)
    assert encoder.num_labels == 3
    aggregated_posterior(encoder, X, context=context)
    assert told[0].equal(context.labels)
    plain = posterior(Moments().forward, mean=0, log_variance=1)
    assert plain.num_labels is None
    assert plain(X, context).batch_shape == (6,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: posterior(Moments(), mean=0, log_variance=1),
        lambda: posterior(AutoencoderKL().encode, mean="latent_dist.mean", scale="latent_dist.std"),
        lambda: posterior(ScviModel().inference, mean="qz.loc", scale="qz.scale"),
        lambda: posterior(partial(Moments().forward), mean=0, log_variance=1),
    ],
    ids=["module", "method", "owner", "partial"],
)
def test_an_adapter_is_copied_with_its_modules(make):
    encoder = make()
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert twin(X).mean.equal(encoder(X).mean)
        with torch.no_grad():
            for weight in twin.parameters():
                weight.add_(1.0)
        assert not twin(X).mean.allclose(encoder(X).mean)
        twin.load_state_dict(encoder.state_dict())
        assert twin(X).mean.equal(encoder(X).mean)
    assert encoder.double()(X.double()).mean.dtype == torch.float64


def test_a_function_that_would_go_on_to_call_the_old_network_is_not_copied():
    net = Moments()
    with pytest.raises(TypeError, match="those of before; give"):
        copy.deepcopy(posterior(lambda x: net(x), mean=0, log_variance=1))
    plain = posterior(lambda x: (x, x), mean=0, log_variance=1)
    assert copy.deepcopy(plain)(X).mean.equal(X)


def test_heads_beside_the_call_are_trained():
    body, heads = nn.Linear(4, 3), nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
    encoder = posterior(body, mean=heads[0], log_variance=heads[1])
    assert len(list(encoder.parameters())) == 6
    assert len(encoder.state_dict()) == 6
    whole = nn.ModuleList([body, heads])
    inner = posterior(lambda x: whole[0](x), mean=whole[1][0], log_variance=heads[1])
    assert len(inner.state_dict()) == 6


def test_the_adapter_takes_what_is_made_and_not_its_class():
    with pytest.raises(TypeError, match=r"such as model\.encode, got the class Moments"):
        posterior(Moments, mean=0, log_variance=1)


# Priors


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
            return encoder(DATA[:1]).expand(()) if encoder is None else mixture()

    assert as_prior(ByName())(make_encoder()).event_shape == (2,)
    posteriors = as_prior(Posteriors())
    posteriors.fit_data(DATA, make_encoder())
    assert posteriors.module.x.equal(DATA[:3])
    assert as_prior(torch.compile(Sheet(), backend="eager"))().event_shape == (2,)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: 3, TypeError, "a zuko flow or another nn.Module .* got int"),
        (lambda: MoGPrior, TypeError, "got the class MoGPrior"),
        (lambda: lambda: mixture(), TypeError, "got function"),
        (lambda: Normal(torch.zeros(2), 1.0), ValueError, r"write Independent\(Normal\(...\), 1\)"),
        (lambda: Normal(0.0, 1.0), ValueError, "let each z be one vector"),
        (lambda: normal().expand((3,)), ValueError, r"batch shape \(3,\); a mixture of the batch"),
        (
            lambda: Independent(Normal(torch.zeros(2), nn.Parameter(torch.zeros(2)).exp()), 1),
            ValueError,
            "got base_dist_scale that was computed from parameters .* a module",
        ),
        (
            lambda: MultivariateNormal(torch.zeros(2), nn.Parameter(torch.eye(2)).T),
            ValueError,
            "covariance_matrix that was computed",
        ),
        (lambda: flow()(), ValueError, "a module computes|computed from parameters"),
        (lambda: flow(context=3), TypeError, "make a flow without a context"),
        (lambda: Unfinished(), TypeError, r"got Unfinished, which fails \(not yet\)"),
    ],
)
def test_what_is_no_prior_is_refused_in_a_sentence(make, error, message):
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


# Where parts come in, as a user runs them: without the checks of types that these tests have.

PARTS = """
import warnings
warnings.simplefilter("ignore")
import torch
from torch import nn
from torch.distributions import Distribution, Independent, Normal
import priory
from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, MoGPrior, VampPrior
from priory.testing import check_prior
priory.FlowPrior(2)
import zuko

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(2))
    def forward(self):
        return Independent(Normal(self.loc, torch.ones(2)), 1)

class Output:
    def __init__(self, mu, logvar):
        self.mu, self.logvar = mu, logvar

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)
    def encode(self, x):
        return self.net(x).chunk(2, -1)
    def output(self, x):
        return Output(*self.encode(x))

x = torch.rand(40, 4).round()
encoder, decoder = GaussianEncoder(MLP((4,), (4,))), BernoulliDecoder(MLP((2,), (4,)))
QUIET = dict(max_epochs=1, verbose=False)

def kit(prior):
    return check_prior(lambda: prior, skip=["compile", "export", "kernel stein"])

def checked(prior):
    report = kit(prior)
    if report.results[0].verdict != "passed":
        raise TypeError(report.results[0].note.removeprefix("TypeError: "))

PLACES = {
    "fit_prior": lambda prior: priory.fit_prior(prior, encoder, x, **QUIET),
    "fit": lambda prior: priory.fit(x, prior=prior, hidden_sizes=(4,), **QUIET),
    "loss": lambda prior: priory.loss(VAE(encoder, decoder, prior), x),
    "elbo": lambda prior: priory.elbo(VAE(encoder, decoder, prior), x),
    "check_prior": checked,
}
PRIORS = {
    "flow": zuko.flows.NSF(2, transforms=1, hidden_features=[4]),
    "distribution": Independent(Normal(torch.zeros(2), torch.ones(2)), 1),
    "module": Own(),
}
model = Model()
ENCODERS = {
    "method": (model.encode, dict(mean=0, log_variance=1)),
    "output": (model.output, dict(mean="mu", log_variance="logvar")),
}
USES = {
    "vamp": lambda e: VampPrior(3, (4,))(e),
    "aggregated": lambda e: priory.aggregated_posterior(e, x),
    "loss": lambda e: priory.loss(VAE(e, decoder, priory.StandardPrior(2)), x),
    "fit_prior": lambda e: priory.fit_prior("mog", e, x, num_components=2, **QUIET),
    "prior_for": lambda e: priory.training.prior_for("mog", e, x),
    "start": lambda e: MoGPrior(2, 3, init="data").fit_data(x, e),
}

def shown(name, use, wrong, right):
    try:
        use(wrong)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
    use(right)

for place, use in PLACES.items():
    for kind, prior in PRIORS.items():
        shown(f"prior {place} {kind}", use, prior, priory.adapters.as_prior(prior))
for place, use in USES.items():
    for kind, (encode, where) in ENCODERS.items():
        right = priory.adapters.posterior(encode, **where)
        shown(f"encoder {place} {kind}", use, encode, right)
for wrong in (3, None, "vamp", MoGPrior):
    try:
        VAE(encoder, decoder, wrong)
    except TypeError as error:
        print(f"prior: TypeError: {error}")
try:
    VAE(Output(1, 2), decoder, MoGPrior(2, 3))
except TypeError as error:
    print(f"encoder: TypeError: {error}")
print("checks:", Distribution._validate_args)
"""


def test_wherever_a_part_comes_in_a_sentence_names_the_adapter_and_the_adapter_works():
    *lines, checks = python(PARTS).splitlines()
    assert checks == "checks: True"  # torch's own, which the import of zuko switches off
    assert len(lines) == 5 * 3 + 6 * 2 + 5, "\n".join(lines)  # a sentence is one line
    for line in lines:
        where, error, message = line.split(": ", 2)
        adapter = "as_prior(x)" if where.startswith("prior") else "posterior(model.encode, mean=..."
        assert error == "TypeError", line
        assert f"priory.adapters.{adapter}" in message, line
        assert message.startswith("expected a"), line
        assert " got " in message, line
