"""What is known of a batch, and who is told."""

import math
import warnings
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from cases import DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ConditionalMoGPrior,
    Context,
    GaussianEncoder,
    MoGPrior,
    StandardPrior,
    VampPrior,
    aggregated_posterior,
    elbo,
    loss,
    prune,
)
from priory.evaluation import negative_log_likelihood
from priory.networks import ConvDecoderNetwork, ConvEncoderNetwork, GatedMLP, GaussianDecoder
from priory.networks.calls import call

X = torch.rand(6, 4)
LABELS = torch.tensor([0, 2, 1, 2, 0, 1])


def labelled_encoder() -> GaussianEncoder:
    return GaussianEncoder(MLP(DATA_SHAPE, (4,), (8,), num_labels=3))


def far_apart() -> VAE:
    """Three labels whose priors lie at -10, 0 and 10, which is where their data are."""
    prior = ConditionalMoGPrior(1, 1, num_labels=3)
    with torch.no_grad():
        prior.loc[:, 0, 0] = torch.tensor([-10.0, 0, 10])

    def encoder(x):
        return Independent(Normal(x, torch.ones_like(x)), 1)

    decoder = GaussianDecoder(nn.Identity(), scale=1.0, data_range=(-1, 1))
    vae = VAE(nn.Identity(), decoder, prior)
    vae.encoder = nn.Identity()
    vae.encoder.forward = encoder
    return vae


def test_labels_meet_the_prior_of_their_own_label():
    vae, y = far_apart(), torch.tensor([0, 1, 2, 2])
    x = 10.0 * (y - 1).unsqueeze(-1)
    torch.manual_seed(0)
    expected = loss(vae, x, 200, context=Context(labels=y))
    assert expected.item() == pytest.approx(0.5 * math.log(2 * math.pi) + 0.5, abs=0.1)
    torch.manual_seed(0)
    assert loss(vae, x, 200, context=Context(labels=y.numpy())).equal(expected)


@pytest.mark.parametrize("name", ["labels", "covariates"])
@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (LABELS[:, None], r"\(B,\).*got torch.int64 of shape \(6, 1\); use labels.squeeze\(-1\)"),
        (LABELS[None], r"of shape \(1, 6\)"),
        (LABELS[0], r"of shape \(\)"),
        (np.array(2), r"of shape \(\)"),
        (LABELS > 0, "whole numbers, got torch.bool"),
        (LABELS[:, None].numpy(), r"squeeze\(-1\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:Context")
def test_labels_of_another_shape_are_refused(name, wrong, advice):
    with pytest.raises(ValueError, match=advice) as caught:
        Context(**{name: wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label_shares": torch.rand(6)}, r"label_shares of shape \(B, C\), floating-point"),
        ({"label_shares": torch.rand(6, 1, 3)}, r"shape \(6, 1, 3\)"),
        ({"label_shares": LABELS[:, None]}, "got torch.int64"),
        ({"labels": LABELS.float()}, "whole numbers, got torch.float32"),
        ({"labels": LABELS, "label_shares": torch.rand(6, 3)}, "got both"),
        ({"labels": LABELS, "index": torch.arange(5)}, "got 5 index and 6 labels"),
        ({"index": torch.arange(5)[None]}, "index of shape"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Context(**fields)


@pytest.mark.parametrize("short", [LABELS[:1], LABELS[:5], torch.cat([LABELS, LABELS])])
def test_there_is_a_label_for_each_example_of_the_batch(short):
    vae = VAE(
        labelled_encoder(),
        BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,), num_labels=3)),
        ConditionalMoGPrior(2, 2, 3),
    )
    context = Context(labels=short)
    calls = (
        lambda: loss(vae, X, context=context),
        lambda: elbo(vae, X, 3, context=context),
        lambda: negative_log_likelihood(vae, X, 4, context),
        lambda: vae.encode(X, context),
        lambda: vae.likelihood(torch.zeros(4, 6, 2), context),
        lambda: vae.encoder(X, context),
        lambda: aggregated_posterior(vae.encoder, X, context=context),
    )
    for refused in calls:
        with pytest.raises(ValueError, match=r"for each (example|of 6 inputs)"):
            refused()


@pytest.mark.filterwarnings("ignore:Context", "ignore:context")
def test_the_old_name_means_labels_or_their_shares():
    shares = torch.rand(6, 3)
    assert Context(covariates=LABELS).labels.equal(LABELS)
    assert Context(covariates=shares).label_shares.equal(shares)
    assert Context(covariates=LABELS).covariates.equal(LABELS)
    assert Context(label_shares=shares).covariates.equal(shares)
    assert Context().covariates is None


def test_the_old_name_warns():
    with pytest.warns(DeprecationWarning, match=r"now Context\(labels=...\)"):
        Context(covariates=LABELS)
    with pytest.warns(DeprecationWarning, match="context.labels"):
        assert Context().covariates is None


def test_every_field_is_cut_moved_and_counted():
    context = Context(index=np.arange(6), labels=LABELS.to(torch.uint8))
    assert context.labels.dtype == torch.int64
    assert context[2:].index.tolist() == [2, 3, 4, 5]
    assert context[torch.tensor([5, 0])].labels.tolist() == [1, 0]
    assert context.to("cpu").labels.equal(LABELS)
    assert (len(context), bool(context)) == (6, True)
    assert (len(Context()), bool(Context()), Context()[3:].labels) == (0, False, None)
    assert replace(context, labels=LABELS[[0] * 6]).labels.eq(0).all()


def test_a_new_field_is_one_line():
    @dataclass(frozen=True, eq=False)
    class Wider(Context):
        exposure: Float[Tensor, " B"] | None = None

    wider = Wider(labels=LABELS, exposure=torch.rand(6))
    assert wider.exposure.dtype == torch.float32
    with pytest.raises(ValueError, match="got 6 labels and 5 exposure"):
        Wider(labels=LABELS, exposure=torch.rand(5))
    with pytest.raises(ValueError, match=r"exposure of shape \(B,\), floating-point"):
        Wider(exposure=torch.rand(6, 1))
    with pytest.raises(ValueError, match="expected labels of shape"):
        wider.check_batch(5)
    assert wider[:2].exposure.equal(wider.exposure[:2])


def test_modules_that_declare_nothing_are_called_with_one_argument():
    plain = make_encoder()
    context = Context(index=torch.arange(6), labels=LABELS)

    class Posterior(nn.Module):
        def forward(self, moments):
            loc, log_scale = moments.chunk(2, -1)
            return Independent(Normal(loc, log_scale.exp()), 1)

    class Model:
        def encode(self, x):
            return plain(x)

    sequence = nn.Sequential(nn.Linear(4, 4), Posterior())
    encoders = [sequence, lambda x: plain(x), Model().encode, partial(lambda s, x: plain(x), 1)]
    for encoder in encoders:
        q = call(encoder, X, context)
        assert q.event_shape == (2,)
        mixture = VampPrior(3, DATA_SHAPE)(encoder, context)
        assert mixture.log_prob(torch.zeros(6, 2)).shape == (6,)
        assert aggregated_posterior(encoder, X, context=context).loc.shape == (6, 2)
        prior = MoGPrior(2, 3, init="data")
        prior.fit_data(X, encoder, context)


def test_modules_that_declare_labels_receive_them_through_every_wrapper(tmp_path):
    encoder, context = labelled_encoder(), Context(labels=LABELS)
    expected = encoder(X, context).mean
    wrapped = [encoder, encoder.forward, partial(encoder)]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        wrapped.append(nn.parallel.DistributedDataParallel(encoder))
        for module in wrapped:
            torch.testing.assert_close(call(module, X, context).mean, expected)
    finally:
        torch.distributed.destroy_process_group()
    given = partial(encoder, context=context)
    torch.testing.assert_close(call(given, X, Context(labels=LABELS.flip(0))).mean, expected)
    with pytest.raises(ValueError, match=r"got none; call the model with Context\(labels=labels\)"):
        call(encoder, X, Context())


@pytest.mark.parametrize("network", [MLP, GatedMLP, ConvEncoderNetwork])
def test_every_network_takes_labels(network):
    told = network((8, 8), (4,), (8,), num_labels=3)
    x = torch.rand(6, 8, 8)
    one_hot = nn.functional.one_hot(LABELS, 3).float()
    out = told(x, one_hot)
    assert out.shape == (6, 4)
    assert told(x.expand(2, 6, 8, 8), one_hot)[1].allclose(out, atol=1e-6)
    assert not told(x, one_hot.flip(0)).allclose(out)
    with pytest.raises(ValueError, match="if and only if num_labels is given"):
        told(x)
    with pytest.raises(ValueError, match=r"num_labels=\(0,\)"):
        network((8, 8), (4,), (8,), num_labels=0)
    encoder = GaussianEncoder(told, data_range=(-1, 1))
    assert encoder.num_labels == 3
    assert encoder(x, Context(labels=LABELS)).mean.equal(out[:, :2])


def test_a_convolutional_decoder_takes_labels():
    network = ConvDecoderNetwork((2,), (8, 8), (5,), (8,), num_labels=3)
    one_hot = nn.functional.one_hot(LABELS, 3).float()
    out = network(torch.zeros(4, 6, 2), one_hot)
    assert out.shape == (4, 6, 8, 8, 5)
    assert out[0, 1].allclose(out[0, 3], atol=1e-6)
    assert not out[0, 0].allclose(out[0, 1])


def test_labels_reach_the_encoder_through_every_call():
    encoder, context = labelled_encoder(), Context(labels=LABELS)
    mixture = MoGPrior(2, 4, init="data")
    mixture.fit_data(X, encoder, context)
    assert prune(mixture, encoder, X, 2, context).prior.num_components == 2
    per_label = {"kind": "per-label", "num_labels": 3}
    for weights in ("learned", per_label):
        vamp = VampPrior(5, DATA_SHAPE, weights=weights)
        p = vamp(encoder, context)
        assert p.batch_shape == (6,)
        for row, label in enumerate(LABELS):
            alone = encoder(vamp.pseudo_inputs, Context(labels=label.repeat(5))).base_dist
            torch.testing.assert_close(p.loc[row], alone.loc)
            torch.testing.assert_close(p.scale[row], alone.scale)
        assert vamp.reseed(X, encoder, context) >= 0
        assert prune(vamp, encoder, X, 2, context).prior.num_components == 2
    vae = VAE(encoder, BernoulliDecoder(MLP((2,), DATA_SHAPE)), StandardPrior(2))
    assert vae.needs_labels
    assert vae.sample(3, context).shape == (3, 6, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert aggregated_posterior(vae.posterior, X, context=context).loc.shape == (6, 2)
