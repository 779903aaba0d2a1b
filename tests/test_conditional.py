"""Labels: in networks and priors, in sampling, in evaluation and in the conformance kit."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

import priory
from cases import CASES, DATA_SHAPE, make_encoder
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    CategoricalDecoder,
    ConditionalMoGPrior,
    ConditionalVampPrior,
    Context,
    GaussianEncoder,
    MoGPrior,
    StandardPrior,
    aggregated_posterior,
    elbo,
)
from priory.aggregate import marginal_prior
from priory.commands.check import check
from priory.distributions import marginal
from priory.evaluation import evaluate, exhibit, negative_log_likelihood
from priory.testing import CHECKS, check_prior

LABELS = torch.tensor([2, 0, 1, 2, 2, 1, 0])
CONTEXT = Context(labels=LABELS)
X = (torch.rand(7, 4, generator=torch.Generator().manual_seed(1)) < 0.5).float()


def labelled_encoder() -> GaussianEncoder:
    torch.manual_seed(3)
    encoder = GaussianEncoder(MLP(DATA_SHAPE, (4,), (8,), num_labels=3))
    with torch.no_grad():
        encoder.network.layers[0].weight.mul_(3)
    return encoder


def labelled_vae(prior: nn.Module, decoder_labels: int | None = 3) -> VAE:
    network = MLP((2,), DATA_SHAPE, (8,), num_labels=decoder_labels)
    return VAE(labelled_encoder(), BernoulliDecoder(network), prior).eval()


def conditional_mog() -> ConditionalMoGPrior:
    torch.manual_seed(0)
    prior = ConditionalMoGPrior(2, 2, num_labels=3, spread=2.0)
    with torch.no_grad():
        prior.logits.normal_()
    return prior


def mog_of(prior: ConditionalMoGPrior, label: int) -> MoGPrior:
    """The prior of one label alone."""
    one = MoGPrior(2, prior.num_components)
    one.load_state_dict({key: value[label] for key, value in prior.state_dict().items()})
    return one


def test_a_network_sees_the_label_beside_its_input():
    network = MLP((3,), (2,), (), num_labels=4)
    linear = network.layers[0]
    x, y = torch.randn(5, 3), torch.tensor([3, 0, 1, 2, 3])
    soft = torch.rand(5, 4).softmax(-1)
    by_hand = x @ linear.weight[:, :3].T + linear.bias
    encoder = GaussianEncoder(network, data_range=(-1, 1))
    means = by_hand[:, :1] + linear.weight[:1, 3:][:, y].T
    torch.testing.assert_close(encoder(x, Context(labels=y)).mean, means)
    means = by_hand[:, :1] + soft @ linear.weight[:1, 3:].T
    torch.testing.assert_close(encoder(x, Context(label_shares=soft)).mean, means)


@pytest.mark.parametrize("kind", [BernoulliDecoder, CategoricalDecoder])
def test_a_decoder_takes_one_label_for_each_example_or_for_all_samples(kind):
    decoder = kind(MLP((2,), (4, 3), (8,), num_labels=3))
    z = torch.randn(6, 7, 2)
    together = decoder(z, CONTEXT)
    assert together.batch_shape == (6, 7)
    for b, label in enumerate(LABELS):
        alone = decoder(z[:, [b]], Context(labels=label.view(1)))
        torch.testing.assert_close(together.base_dist.logits[:, [b]], alone.base_dist.logits)


def test_a_model_with_labels_is_saved_whole(tmp_path):
    vae = labelled_vae(ConditionalVampPrior(2, 3, DATA_SHAPE, labels="learned"))
    priory.save(vae, tmp_path)
    again = priory.load(tmp_path)
    z = torch.randn(7, 2)
    for part in (vae, again):
        torch.manual_seed(0)
        part.terms = elbo(part, X, context=CONTEXT).elbo
    assert again.terms.equal(vae.terms)
    assert again.prior_distribution(CONTEXT).log_prob(z).isfinite().all()


@pytest.mark.parametrize("labels_are", ["fixed", "learned"])
def test_pseudo_inputs_are_encoded_with_their_labels(labels_are):
    torch.manual_seed(0)
    prior, encoder = (
        ConditionalVampPrior(2, 3, DATA_SHAPE, labels=labels_are),
        labelled_encoder(),
    )
    beside = prior.pseudo_labels
    if labels_are == "fixed":
        assert beside.tolist() == [0, 0, 1, 1, 2, 2]
        expected = encoder(prior.pseudo_inputs[4:], Context(labels=beside[4:])).mean
    else:
        torch.testing.assert_close(beside.sum(-1), torch.ones(2))
        expected = encoder(prior.pseudo_inputs, Context(label_shares=beside)).mean
    p = prior(encoder, Context(labels=torch.tensor([2])))
    torch.testing.assert_close(p.loc[0], expected)


def test_learned_weights_follow_bayes_rule():
    prior = ConditionalVampPrior(4, 3, DATA_SHAPE, labels="learned")
    with torch.no_grad():
        prior.logits.normal_()
        prior.covariate_logits.normal_()
    w, c = prior.logits.softmax(-1), prior.pseudo_labels
    joint = torch.stack([w[k] * c[k] for k in range(4)])  # (K, C)
    p = prior(make_encoder(), Context(labels=torch.arange(3)))
    torch.testing.assert_close(p.logits.exp(), (joint / joint.sum(0)).T)
    assert p.loc.stride(0) == 0  # shared by all labels
    # With labels as frequent as the model says, they are one mixture again.
    whole = marginal(joint.sum(0), p)
    torch.testing.assert_close(whole.logits.exp(), w)
    assert whole.loc.shape == (4, 2)


def test_a_mixture_starts_from_the_clusters_of_each_label():
    x = torch.cat([torch.zeros(20, 4), torch.ones(10, 4)]).repeat(2, 1)
    labels = torch.arange(2).repeat_interleave(30)
    with torch.no_grad():
        encoder = GaussianEncoder(MLP(DATA_SHAPE, (4,), (8,), num_labels=2))
        encoder.network.layers[-1].bias[2:] -= 6  # narrow posteriors: two clusters for each label
        encoder.network.layers[-1].weight[:2] *= 5
        encoder.network.layers[-1].weight[2:] = 0
        prior, context = ConditionalMoGPrior(2, 2, 2, init="data"), Context(labels=labels)
        prior.fit_data(x, encoder, context)
        p = prior(encoder, Context(labels=torch.arange(2)))
        for label, first in enumerate((0, 30)):
            pair = torch.tensor([first, first + 20])
            centres = encoder(x[pair], context[pair]).mean
            order = (p.loc[label] - centres[0]).norm(dim=-1).argsort()
            torch.testing.assert_close(p.loc[label][order], centres, atol=0.02, rtol=0)
            shares = p.logits[label].exp()[order]
            torch.testing.assert_close(shares, torch.tensor([2 / 3, 1 / 3]))


@pytest.mark.parametrize("labels_are", ["fixed", "learned"])
def test_pseudo_inputs_start_from_data_of_their_labels(labels_are):
    x = torch.rand(60, 4)
    labels = torch.arange(60) % 3
    prior = ConditionalVampPrior(5, 3, DATA_SHAPE, labels=labels_are, init="data")
    prior.fit_data(x, make_encoder(), Context(labels=labels))
    distance, nearest = (prior.pseudo_inputs.unsqueeze(1) - x).abs().amax(-1).min(-1)
    assert distance.max() < 1e-5
    assert len(nearest.unique()) == len(nearest)
    if labels_are == "fixed":
        assert labels[nearest].equal(prior.pseudo_labels)
    else:
        own = prior.pseudo_labels.gather(1, labels[nearest].unsqueeze(-1))
        torch.testing.assert_close(own, torch.full_like(own, 0.9))


def test_samples_are_drawn_for_given_labels():
    vae = labelled_vae(conditional_mog())
    assert vae.sample(6, Context(labels=torch.tensor([1]))).shape == (6, 1, 4)
    assert vae.sample(6, CONTEXT).shape == (6, 7, 4)
    assert vae.reconstruct(X, CONTEXT).shape == X.shape
    # A decoder alone that knows labels makes the same shapes.
    assert labelled_vae(StandardPrior(2)).sample(6, Context(labels=LABELS[:1])).shape == (
        6,
        1,
        4,
    )


def test_what_is_not_a_label_is_refused_in_a_sentence():
    prior, vae = conditional_mog(), labelled_vae(conditional_mog())

    def refused(call, match: str) -> None:
        with pytest.raises(ValueError, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)

    none = r"expected labels from 0 to 2, got none; call prior\(encoder, Context\(lab"
    for context in (None, Context(index=LABELS)):
        refused(lambda context=context: prior(None, context), none)
    refused(lambda: vae.posterior(X), "got none")
    refused(lambda: vae.likelihood(torch.zeros(7, 2), Context()), "got none")
    for bad, named in [(LABELS + 1, "got 3"), (-LABELS, "got -2")]:
        refused(lambda bad=bad: prior(None, Context(labels=bad)), named)
        refused(lambda bad=bad: vae.posterior(X, Context(labels=bad)), named)
    refused(lambda: prior(None, Context(label_shares=torch.rand(7, 3))), "got shares of labels")
    refused(lambda: vae.posterior(X, Context(label_shares=torch.rand(7, 2))), r"\(B, 3\)")
    fewer = ConditionalMoGPrior(2, 4, 3, init="data")
    refused(lambda: fewer.fit_data(X, make_encoder(), CONTEXT), "at least 4 data")
    refused(lambda: fewer.fit_data(X, make_encoder()), r"call fit_data\(")
    vamp = ConditionalVampPrior(4, 3, DATA_SHAPE, init="data")
    refused(lambda: vamp.fit_data(X, make_encoder(), CONTEXT), "at least 4 data")
    with pytest.raises(ValueError, match="if and only if num_labels is given"):
        MLP((2,), (2,))(torch.zeros(5, 2), torch.zeros(5, 3))


def test_the_nll_given_labels_is_that_of_the_model_of_each_label():
    prior = conditional_mog()
    vae = labelled_vae(prior)
    with torch.no_grad():
        vae.encoder.network.layers[-1].weight[2:] = 0
        vae.encoder.network.layers[-1].bias[2:] = 1.2  # wide enough for importance sampling
    nll = negative_log_likelihood(vae, X, 4000, CONTEXT)
    for label in range(3):
        own = label == LABELS
        alone = replace(CONTEXT, labels=LABELS[own])
        vae.prior = mog_of(prior, label)
        expected = negative_log_likelihood(vae, X[own], 4000, alone)
        sizes = nll.effective_sample_size[own], expected.effective_sample_size
        error = sum(1 / size for size in sizes).sqrt()
        assert ((nll.per_example[own] - expected.per_example).abs() < 4 * error).all()


def test_numbers_given_the_label_say_so():
    assert evaluate(labelled_vae(conditional_mog()), X, 8, context=CONTEXT).given_labels
    assert evaluate(labelled_vae(StandardPrior(2)), X, 8, context=CONTEXT).given_labels
    # Labels that only the encoder sees leave p(x) what it is.
    plain = labelled_vae(StandardPrior(2), decoder_labels=None)
    assert not evaluate(plain, X, 8, context=CONTEXT).given_labels
    assert not evaluate(VAE(make_encoder(), plain.decoder, StandardPrior(2)), X, 8).given_labels


def test_the_marginal_prior_weighs_labels_by_their_frequency():
    prior = conditional_mog()
    vae = labelled_vae(prior)
    z = torch.randn(9, 2)
    some = Context(labels=torch.tensor([2, 0, 2, 2]))  # label 1 has no data
    with torch.no_grad():
        terms = [mog_of(prior, y)().log_prob(z) + math.log(w) for y, w in [(0, 0.25), (2, 0.75)]]
    p = marginal_prior(vae, some)
    torch.testing.assert_close(p.log_prob(z), torch.stack(terms).logsumexp(0))
    assert p.loc.shape == (6, 2)
    assert marginal_prior(labelled_vae(StandardPrior(2)), some).batch_shape == ()
    shown = evaluate(vae, X, 8, context=CONTEXT)
    assert 1 <= shown.components_in_use <= 6
    # Distributions of other kinds are mixed by torch.
    q = Independent(Normal(torch.randn(3, 2), torch.ones(3, 2)), 1)
    weights = torch.tensor([0.2, 0.3, 0.5])
    expected = (q.log_prob(z.unsqueeze(1)) + weights.log()).logsumexp(-1)
    torch.testing.assert_close(marginal(weights, q).log_prob(z), expected)
    with pytest.raises(ValueError, match="batch shape"):
        marginal(weights, StandardPrior(2)())


def test_an_exhibit_shows_data_of_all_labels():
    vae = labelled_vae(ConditionalVampPrior(2, 3, DATA_SHAPE))
    shown = exhibit(vae, X, num_samples=5, num_reconstructions=3, context=CONTEXT)
    assert shown.samples.shape == (5, 4)
    assert shown.reconstructions.shape == (3, 4)
    assert shown.prior.batch_shape == ()
    assert shown.pseudo_inputs.shape == (6, 4)
    assert shown.weights.sum().item() == pytest.approx(1)
    assert shown.z.shape == (7, 2)


def test_the_aggregated_posterior_takes_labels_block_by_block():
    encoder = labelled_encoder()
    q = aggregated_posterior(encoder, X, batch_size=2, context=CONTEXT)
    torch.testing.assert_close(q.loc, encoder(X, CONTEXT).mean)


def test_the_kit_takes_labels_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "by_label.py").write_text(
        "import priory\ndef make():\n    return priory.ConditionalMoGPrior(2, 3, num_labels=4)\n"
    )
    others = [name for name in CHECKS if name not in ("shapes", "context", "dtype")]
    check("by_label:make", skip=others, labels=[3, 1])
    assert "passed" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        check("by_label:make", skip=others)
    assert "expected labels from 0 to 3, got none" in capsys.readouterr().out


def test_a_parameter_without_dimensions_does_not_crash():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))
            self.register_buffer("loc", torch.zeros(2))

        def forward(self, encoder, context=None):
            return Independent(Normal(self.loc, self.log_scale.exp().expand(2)), 1)

    report = check_prior(Scaled, skip=set(CHECKS) - {"extremes", "shapes"})
    assert report.passed, str(report)


def test_priors_that_need_labels_say_so():
    for case in CASES:
        assert type(case.make()).needs_labels == bool(case.labels), case.name
