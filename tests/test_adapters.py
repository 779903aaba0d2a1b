"""Encoders of other people's models, and what is said where a part comes in as it is."""

import copy
import pickle
from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import (
    Independent,
    Normal,
)

from cases import DATA, DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    Context,
    MoGPrior,
    StandardPrior,
    VampPrior,
    aggregated_posterior,
    fit_prior,
    loss,
)
from priory.adapters import posterior
from priory.distributions.torch_distributions import without_argument_checks
from priory.evaluation import cross_entropy
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


def test_a_variance_is_not_silently_taken_for_a_scale():
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
        (OUT, {"mean": "half", "scale": "mu"}, r"\(6, L\), one row per .* got \(3, 4\)"),
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
    refused = pytest.raises(ValueError, match="a standard deviation of a scale above zero")
    with without_argument_checks(), refused:  # as zuko switches them off when it is imported
        posterior(lambda x: (x, x - 5), mean=0, scale=1)(X)


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
    ],
    ids=["method", "partial", "function"],
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


def test_only_modules_that_declare_labels_receive_them():
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
    with pytest.raises(TypeError, match="the original ones; give"):
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


def test_a_network_alone_is_not_a_decoder():
    vae = VAE(make_encoder(), MLP((2,), DATA_SHAPE), StandardPrior(2))
    with pytest.raises(TypeError, match="from the decoder, got Tensor; a likelihood turns"):
        loss(vae, BITS)


def test_the_message_about_distributions_of_another_shape_helps():
    def images(x):
        return Independent(Normal(x.unflatten(-1, (2, 2)), 1.0), 2)

    with pytest.raises(TypeError, match=r"event shape \(2, 2\); .*mean=\"mean\", scale=\"stddev\""):
        aggregated_posterior(images, X)
    assert posterior(images, mean="mean", scale="stddev")(X).event_shape == (4,)
    with pytest.raises(TypeError, match=r"event shape \(\); return Independent\(distribution, 1\)"):
        aggregated_posterior(lambda x: Normal(x, 1.0), X)
    vae = VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE)), nn.Identity())
    with pytest.raises(TypeError, match="got GaussianEncoder; let its call"):
        loss(vae, BITS)


# Where parts come in, as a user runs them: without the checks of types that these tests have.

PARTS = """
import warnings
warnings.simplefilter("ignore")
import torch
from torch import nn
from torch.distributions import Distribution, Independent, Normal
import priory
from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, MoGPrior, VampPrior
from priory.testing import CHECKS, check_prior
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
    return check_prior(lambda: prior, skip=[*CHECKS][1:])

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
