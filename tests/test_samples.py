"""Samples against data and priors against posteriors, where the answer is known."""

import math
from itertools import combinations

import pytest
import torch
from torch.distributions import Normal

from linear import Linear, linear_vae, normal_data
from priory import MoGPrior, StandardPrior
from priory.evaluation import (
    classifier_test,
    latent_use,
    maximum_mean_discrepancy,
    memorisation,
    nearest,
    sample_quality,
)


def test_the_nearest_are_those_of_loops():
    points, others = torch.randn(6, 2, 2), torch.randn(11, 2, 2)
    found = nearest(points, others, 3)
    for p, distances, index in zip(points, found.distance, found.index, strict=True):
        by_hand = sorted((math.dist(p.flatten(), o.flatten()), n) for n, o in enumerate(others))
        assert distances.tolist() == pytest.approx([d for d, _ in by_hand[:3]])
        assert index.tolist() == [n for _, n in by_hand[:3]]
    alone = nearest(others, others, 1, itself=True)
    assert (alone.distance > 0).all()
    assert nearest(others, others).distance.max() < 1e-6
    with pytest.raises(ValueError, match="at least 12 points"):
        nearest(others, others, 11, itself=True)


def test_several_blocks_make_up_the_whole():
    points, others = torch.randn(1500, 2), torch.randn(2500, 2)
    by_hand = torch.cdist(points.double(), others.double()).topk(3, largest=False)
    answer = nearest(points, others, 3)
    assert answer.index.equal(by_hand.indices)
    torch.testing.assert_close(answer.distance, by_hand.values)
    among = torch.cdist(others.double(), others.double()).fill_diagonal_(torch.inf)
    reach = among.kthvalue(3).values
    assert nearest(others, others, 3, itself=True).distance[:, -1].allclose(reach)
    inside = torch.cdist(points.double(), others.double()) <= reach
    quality = sample_quality(points, others, 3)
    assert quality.precision == pytest.approx(float(inside.any(1).double().mean()))
    assert quality.density == pytest.approx(int(inside.sum()) / (3 * 1500))
    assert quality.coverage == pytest.approx(float(inside.any(0).double().mean()))


def test_sample_quality_is_its_equations():
    data, samples, k = torch.randn(20, 2), torch.randn(16, 2) + 0.7, 3

    def reach(points):
        return [
            sorted(math.dist(a, b) for j, b in enumerate(points) if j != i)[k - 1]
            for i, a in enumerate(points)
        ]

    x, y = data.tolist(), samples.tolist()
    of_data, of_samples = reach(x), reach(y)
    inside = [[math.dist(a, b) <= r for a, r in zip(x, of_data, strict=True)] for b in y]
    found = sample_quality(samples, data, k)
    assert found.precision == pytest.approx(sum(map(any, inside)) / 16)
    assert found.density == pytest.approx(sum(map(sum, inside)) / (k * 16))
    assert found.coverage == pytest.approx(sum(map(any, zip(*inside, strict=True))) / 20)
    recalled = [any(math.dist(a, b) <= r for b, r in zip(y, of_samples, strict=True)) for a in x]
    assert found.recall == pytest.approx(sum(recalled) / 20)


def test_samples_that_are_distributed_as_data():
    found = [sample_quality(torch.randn(300, 3), torch.randn(200, 3)) for _ in range(12)]
    mean = {name: sum(getattr(f, name) for f in found) / 12 for name in ("density", "coverage")}
    assert mean["density"] == pytest.approx(1, abs=0.05)
    assert mean["coverage"] == pytest.approx(found[0].coverage_if_equal, abs=0.01)
    few = sample_quality(0.05 * torch.randn(300, 3), torch.randn(200, 3))
    assert few.precision == 1
    assert few.recall < 0.05
    one = sample_quality(torch.randn(300, 2), torch.randn(200, 2) + 9, features=lambda x: x[:, :0])
    assert one.precision == 1  # where features say nothing, all is alike


def test_the_statistic_of_copying_is_its_equation():
    samples, training, held_out = (torch.randint(0, 6, (n, 1)).float() for n in (7, 4, 9))

    def distance(point):
        return min(abs(float(point - other)) for other in training)

    u = sum(
        (distance(y) > distance(x)) + 0.5 * (distance(y) == distance(x))
        for y in samples
        for x in held_out
    )
    found = memorisation(samples, training, held_out)
    assert found.probability == pytest.approx(u / 63)
    # The variance over all ways to call seven of the sixteen distances those of samples.
    all_distances = [distance(p) for p in torch.cat([samples, held_out])]
    values = torch.tensor(all_distances)
    wins = (values[:, None] > values).double() + 0.5 * (values[:, None] == values)
    choices = torch.tensor(list(combinations(range(16), 7)))
    chosen = torch.zeros(len(choices), 16, dtype=torch.float64).scatter_(1, choices, 1.0)
    every = ((chosen @ wins) * (1 - chosen)).sum(1)
    spread = float(every.var(correction=0).sqrt())
    assert found.z_score == pytest.approx((u - 31.5) / spread, rel=1e-6)


def test_copies_are_found_and_samples_of_the_truth_are_not():
    training, held_out, fresh = (torch.randn(200, 3) for _ in range(3))
    honest = memorisation(fresh, training, held_out)
    assert abs(honest.z_score) < 3
    assert honest.p_value == pytest.approx(float(Normal(0, 1).cdf(torch.tensor(honest.z_score))))
    error = honest.closer_to_training_standard_error
    assert abs(honest.closer_to_training - 0.5) < 4 * error
    copied = memorisation(training + 0.01 * torch.randn(200, 3), training, held_out)
    assert copied.p_value < 1e-6
    assert copied.closer_to_training > 0.95
    wide = memorisation(4 * fresh, training, held_out)
    assert wide.z_score > 5
    with pytest.raises(ValueError, match="none of at least one kind"):
        memorisation(fresh[:0], training, held_out)


def test_a_classifier_tells_gaussians_apart_as_well_as_can_be():
    one, other = torch.randn(800, 1), torch.randn(800, 1) + 1.5
    found = classifier_test(one, other, num_permutations=19)
    best = float(Normal(0, 1).cdf(torch.tensor(0.75)))
    assert abs(found.accuracy - best) < 3 * found.standard_error + 0.01
    assert found.p_value == pytest.approx(1 / 20)
    assert found.num_samples == 800
    scale = classifier_test(one[:200], 3 * torch.randn(300, 1), num_permutations=19)
    assert scale.accuracy > 0.6  # no line parts these
    assert scale.num_samples == 200
    equal = classifier_test(one[:40], one[40:80], num_permutations=19)
    assert equal.p_value > 0.1
    with pytest.raises(ValueError, match="at least 10 points"):
        classifier_test(one[:9], other)


def test_the_discrepancy_is_that_of_the_gaussians():
    shift, spread = 0.6, 1.4
    one, other = torch.randn(1000, 1), spread * torch.randn(1000, 1) + shift
    found = maximum_mean_discrepancy(one, other, num_permutations=100)
    h = found.bandwidth**2

    def kernel(variance, offset):
        return math.sqrt(h / (h + variance)) * math.exp(-(offset**2) / (2 * (h + variance)))

    exact = kernel(2, 0) + kernel(2 * spread**2, 0) - 2 * kernel(1 + spread**2, shift)
    assert found.squared == pytest.approx(exact, abs=0.015)
    assert found.p_value == pytest.approx(1 / 101)

    few, others = one[:5].double(), other[:4].double()
    found = maximum_mean_discrepancy(few, others, num_permutations=3)
    x, y = few[:4, 0].tolist(), others[:, 0].tolist()
    distances = sorted(abs(a - b) for a, b in combinations(x + y, 2))
    assert found.bandwidth == pytest.approx(distances[(len(distances) - 1) // 2])

    def k(a, b):
        return math.exp(-((a - b) ** 2) / (2 * found.bandwidth**2))

    within = sum(k(a, b) for s in (x, y) for a, b in combinations(s, 2)) * 2 / (4 * 3)
    between = sum(k(a, b) for a in x for b in y) / 16
    assert found.squared == pytest.approx(within - 2 * between)


def test_p_values_of_equal_samples_are_uniform():
    p = torch.tensor(
        [
            maximum_mean_discrepancy(torch.randn(15, 2), torch.randn(15, 2), 99).p_value
            for _ in range(200)
        ]
    )
    for level in (0.1, 0.5, 0.9):
        share = float((p <= level).double().mean())
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 200)


def test_the_use_of_latents_is_that_of_the_gaussians():
    mix = torch.tensor([[0.9, 0.0, 0.0], [0.3, 0.7, 0.0], [0.0, 0.0, 0.05]])
    x, scale = normal_data(2000), 0.5
    decoder_sees_two = Linear(mix, scale)
    vae = linear_vae(StandardPrior(3), decoder_sees_two)
    found = latent_use(vae, x, num_samples=2000)
    variance = (mix @ mix.mT).diagonal()
    torch.testing.assert_close(found.variance_of_mean.float(), variance, rtol=0.01, atol=0)
    assert found.active_units == 2
    exact = 0.5 * (1 + variance / scale**2).log()
    assert ((found.information - exact).abs() < 4 * found.information_standard_error + 0.01).all()
    rate = 0.5 * (scale**2 + variance - 1 - math.log(scale**2))
    torch.testing.assert_close(found.rate.float(), rate, rtol=1e-4, atol=1e-5)
    assert latent_use(vae, x[:9], prior=MoGPrior(3, 4)()).rate is None
    with pytest.raises(ValueError, match="at least two examples"):
        latent_use(vae, x[:1])
