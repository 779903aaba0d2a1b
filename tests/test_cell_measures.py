"""What is asked of models of counts: depth, clusters, batches, and cells that are made."""

import math

import numpy as np
import pytest
import torch

from priory import MLP, VAE, BernoulliDecoder, Context, GaussianEncoder, StandardPrior
from priory.evaluation import Scores, Study, evaluate
from priory.evaluation.batch_mixing import BATCH_MIXING, batch_mixing
from priory.evaluation.clusters import ARI, NMI, clusters_and_labels
from priory.evaluation.depth import DEPTH, depth_in_latents
from priory.evaluation.gene_agreement import (
    MADE,
    MEANS,
    VARIANCES,
    ZEROS,
    gene_agreement,
    told_apart,
)
from priory.likelihoods import PoissonDecoder


def make_vae(genes: int = 6) -> VAE:
    torch.manual_seed(0)
    encoder = GaussianEncoder(MLP((genes,), (4,), (8,)), (0, 100), "log1p")
    return VAE(encoder, PoissonDecoder(MLP((2,), (genes,), (8,)), 5.0), StandardPrior(2)).eval()


def make_counts(num: int = 60, genes: int = 6) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.poisson(torch.rand(num, 1) * 20 * torch.rand(1, genes)) + 1


def test_the_depth_that_latents_hold_is_a_correlation():
    z, depth = torch.randn(80, 3), 1 + torch.rand(80)
    z[:, 1] -= 20 * depth.log()
    found = depth_in_latents(z, depth)
    each = [abs(np.corrcoef(column, depth.log())[0, 1]) for column in z.T]
    assert found.latent == 2
    assert found.value == pytest.approx(max(each), abs=1e-6)
    assert "Latent z2 follows the depth" in found.warnings[0]
    assert depth_in_latents(z[:, :1], depth).warnings == ()
    assert depth_in_latents(z, torch.ones(80)) is None


def test_a_latent_without_variance_holds_no_depth():
    z = torch.cat([torch.zeros(30, 1), torch.randn(30, 1)], 1)
    assert depth_in_latents(z, 1 + torch.rand(30)).latent == 2


def test_clusters_are_compared_with_labels():
    labels = torch.arange(90) % 3
    far = 20.0 * torch.eye(3)[labels] + torch.randn(90, 3)
    found = clusters_and_labels(far, labels)
    assert (round(found.ari, 6), round(found.nmi, 6), found.num_clusters) == (1, 1, 3)
    other = clusters_and_labels(torch.randn(90, 3), labels)
    assert abs(other.ari) < 0.2


def test_leiden_where_it_is_installed():
    pytest.importorskip("leidenalg")
    labels = torch.arange(90) % 3
    far = 20.0 * torch.eye(3)[labels] + torch.randn(90, 3)
    assert clusters_and_labels(far, labels).leiden_nmi > 0.8


def slow_mixing(z: np.ndarray, batch: np.ndarray, k: int) -> float:
    """The definition, one example after another, with the precision by SciPy's root finder."""
    from scipy.optimize import brentq

    effective = []
    for n, point in enumerate(z):
        distance = np.sqrt(((z - point) ** 2).sum(1))
        distance[n] = np.inf
        near = np.argsort(distance)[:k]
        d = distance[near]

        def weights(beta, d=d):
            w = np.exp(-beta * (d - d.min()))
            return w / w.sum()

        def excess(log_beta, weights=weights):
            w = weights(math.exp(log_beta))
            return -(w * np.log(np.maximum(w, 1e-300))).sum() - math.log(k / 3)

        w = weights(math.exp(brentq(excess, -15, 15)))
        shares = [w[batch[near] == b].sum() for b in np.unique(batch)]
        effective.append(1 / sum(share**2 for share in shares))
    return (np.median(effective) - 1) / (len(np.unique(batch)) - 1)


def test_mixing_of_batches_is_that_of_its_definition():
    torch.manual_seed(2)
    z, batch = torch.randn(120, 2), torch.randint(0, 3, (120,))
    z[batch == 2] += 1.5
    actual = batch_mixing(z, batch, 30)
    assert actual == pytest.approx(slow_mixing(z.double().numpy(), batch.numpy(), 30), abs=1e-6)
    assert batch_mixing(torch.randn(600, 2), torch.arange(600) % 2) > 0.85
    assert batch_mixing(9.0 * batch[:, None] + torch.rand(120, 2), batch, 9) < 1e-3
    with pytest.raises(ValueError, match="at least two batches and four examples, got 1"):
        batch_mixing(z, torch.zeros(120, dtype=torch.long))


def test_a_model_of_counts_is_asked_with_what_is_known_of_its_data():
    vae, x = make_vae(), make_counts()
    annotations = Context(labels=torch.arange(60) % 2, batch_label=torch.arange(60) // 30)
    quick = evaluate(vae, x, 4, annotations=annotations)
    whole = Scores.ask(
        Study(vae, x, annotations=annotations), (DEPTH, ARI, NMI, BATCH_MIXING, MADE)
    )
    z = vae.encode(x)
    for scores in (quick, whole):
        assert {DEPTH, ARI, NMI, BATCH_MIXING} <= {one for one, _ in scores.values}
        assert DEPTH.read(scores.record).number == depth_in_latents(z, x.sum(1)).value
        assert BATCH_MIXING.read(scores.record).number == batch_mixing(z, annotations.batch_label)
        assert ARI.read(scores.record).number == clusters_and_labels(z, annotations.labels).ari
    without = evaluate(vae, x, 4)
    assert {DEPTH, MEANS, VARIANCES, ZEROS} <= set(without.measures)
    assert whole.record["made"]["accuracy"] > 0.4
    assert not {ARI, NMI, BATCH_MIXING} & set(without.measures)
    given = Study(vae, x, annotations=Context(exposure=torch.linspace(1, 2, 60)))
    assert DEPTH.compute(given) == depth_in_latents(z, torch.linspace(1, 2, 60))


def test_made_counts_agree_with_those_of_their_own_distribution():
    torch.manual_seed(3)
    rates = 3 * torch.rand(40)
    x, y = torch.poisson(rates.expand(300, 40)), torch.poisson(rates.expand(200, 40))
    found = gene_agreement(y, x)
    assert found.num_dimensions == 40
    standard = (y.double().mean(0) - x.double().mean(0)) / (
        y.double().var(0) / 200 + x.double().var(0) / 300
    ).sqrt()
    assert found.means == pytest.approx(standard.square().mean().sqrt().item())
    for number in (found.means, found.variances, found.zeros):
        assert 0.6 < number < 1.5
    wide = torch.poisson(rates * torch.distributions.Gamma(2.0, 2.0).sample((200, 40)))
    other = gene_agreement(wide, x)
    assert other.means < 2 < min(other.variances, other.zeros)
    assert told_apart(y, x, num_permutations=19).p_value > 0.05
    assert told_apart(y + 3, x, num_permutations=19).p_value == 0.05
    with pytest.raises(ValueError, match="at least 10 samples and examples, got 5"):
        gene_agreement(y[:5], x)
    with pytest.raises(ValueError, match="got identical examples"):
        gene_agreement(torch.ones(10, 2), torch.ones(10, 2))


def test_other_models_are_asked_on_request_alone():
    encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
    vae, x = VAE(encoder, decoder, StandardPrior(2)).eval(), torch.rand(40, 9).round()
    annotations = Context(labels=torch.arange(40) % 2)
    assert not [
        one for one in evaluate(vae, x, 4, annotations=annotations).measures if one.of_counts
    ]
    record = Scores.ask(Study(vae, x, annotations=annotations), (DEPTH, ARI, MEANS)).record
    assert record["depth"] is None
    assert record["clusters"]["num_clusters"] == 2
    assert record["agreement"] is None
