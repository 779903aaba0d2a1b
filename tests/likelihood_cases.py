"""The table of likelihoods: how each is made, its density in plain Python, data that it fits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from scipy import stats
from torch import nn

from cases import log_sum_exp, normal_log_prob
from priory import MLP
from priory.likelihoods import (
    BernoulliDecoder,
    CategoricalDecoder,
    DiscretizedLogisticDecoder,
    GaussianDecoder,
    MixedDecoder,
    NegativeBinomialDecoder,
    PoissonDecoder,
)

SPANS = [
    *(("numeric", 0, 1), ("numeric", 1, 2), ("categorical", 2, 5), ("count", 5, 6)),
    *(("numeric", 6, 7), ("categorical", 7, 9), ("count", 9, 10)),
]
TYPICAL = [0.5, 4.0, 30.0, 1e4]


@dataclass(frozen=True)
class LikelihoodCase:
    """A likelihood in one of its forms.

    Attributes:
        name: The name of the likelihood.
        decoder: Makes a small decoder from z, `(2,)`.
        reference: Its log-density, from the decoder, what its network gave, as numbers, and x.
        x: An example for the two of them.
        data: Makes data that the likelihood fits from digits, whole numbers from 0 to 16.
        options: How to choose the likelihood for those.
        network: The kind of networks to train on them.

    """

    name: str
    decoder: Callable[[], nn.Module]
    reference: Callable[[Any, Any, Sequence[float]], float]
    x: Sequence[float]
    data: Callable[[torch.Tensor], torch.Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    network: str = "mlp"


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def bernoulli(decoder, out, x):
    return sum(math.log(sigmoid(f if v else -f)) for v, f in zip(x, out, strict=True))


def categorical(decoder, out, x):
    return sum(f[int(v)] - log_sum_exp(f) for v, f in zip(x, out, strict=True))


def gaussian_shared(decoder, out, x):
    scale = 8 * (1e-3 + math.exp(decoder.location_scale.log_scale.item()))
    return sum(normal_log_prob(v, 8 + 8 * f, scale) for v, f in zip(x, out, strict=True))


def gaussian_fixed(decoder, out, x):
    low, high = (0.0, -1.0, 0.0, 2.0), (1.0, 1.0, 4.0, 3.0)
    return sum(
        normal_log_prob(v, (l + h) / 2 + (h - l) / 2 * f, 0.3)
        for v, f, l, h in zip(x, out, low, high, strict=True)  # noqa: E741
    )


def gaussian_network(decoder, out, x):
    return sum(
        normal_log_prob(v, 0.5 + 0.5 * f, 0.5 * (0.01 + math.exp(t)))
        for v, (f, t) in zip(x, out, strict=True)
    )


def logistic_log_mass(x: float, loc: float, scale: float, num_values: int) -> float:
    above = 1.0 if x == num_values - 1 else sigmoid((x + 0.5 - loc) / scale)
    below = 0.0 if x == 0 else sigmoid((x - 0.5 - loc) / scale)
    return math.log(above - below)


def logistic_shared(decoder, out, x):
    scale = 127.5 * (1e-3 + math.exp(decoder.location_scale.log_scale.item()))
    return sum(
        logistic_log_mass(v, 127.5 * (1 + f), scale, 256) for v, f in zip(x, out, strict=True)
    )


def logistic_network(decoder, out, x):
    return sum(
        logistic_log_mass(v, 3.5 * (1 + f), 3.5 * (1e-3 + math.exp(t)), 8)
        for v, (f, t) in zip(x, out, strict=True)
    )


def poisson(decoder, out, x):
    return sum(
        stats.poisson.logpmf(v, m * math.exp(f)) for v, f, m in zip(x, out, TYPICAL, strict=True)
    )


def negative_binomial(decoder, out, x):
    total = 0.0
    for v, f, m, t in zip(x, out, TYPICAL, decoder.log_dispersion.tolist(), strict=True):
        theta, mean = 1 / (math.exp(t) + 1e-4), m * math.exp(f)
        total += stats.nbinom.logpmf(v, theta, theta / (theta + mean))
    return total


def mixed(decoder, out, x):
    total, spread = 0.0, dict(zip((0, 1, 5, 6, 9), decoder.log_spread.exp().tolist(), strict=True))
    for d in (0, 1, 6):
        total += normal_log_prob(x[d], out[d], spread[d] + 1e-3)
    for d, typical in ((5, 3.0), (9, 40.0)):
        theta, mean = 1 / (spread[d] + 1e-4), typical * math.exp(out[d])
        total += stats.nbinom.logpmf(x[d], theta, theta / (theta + mean))
    for block in (range(2, 5), range(7, 9)):
        chosen = next(d for d in block if x[d] == 1)
        total += out[chosen] - log_sum_exp([out[d] for d in block])
    return total


def counts(x: torch.Tensor) -> torch.Tensor:
    """Counts with means from a fraction to ten thousand, on the pattern of real data."""
    means = torch.logspace(-1, 4, x[0].numel()).view(x.shape[1:])
    return torch.poisson(x / 8 * means)


def table(x: torch.Tensor) -> torch.Tensor:
    pixels = x.flatten(1)[:, 18:22]
    bright = torch.nn.functional.one_hot((x.flatten(1)[:, 42] // 6).long(), 3)
    numbers = (pixels - pixels.mean(0)) / pixels.std(0)
    return torch.cat((numbers, bright, counts(x).flatten(1)[:, ::8]), dim=-1)


TABLE_SPANS = [("numeric", 0, 4), ("categorical", 4, 7), ("count", 7, 15)]


def mlp(*out_shape: int) -> MLP:
    return MLP((2,), out_shape, (5,))


CASES = {
    "bernoulli": LikelihoodCase(
        "bernoulli",
        lambda: BernoulliDecoder(mlp(4)),
        bernoulli,
        [0, 1, 1, 0],
        data=lambda x: (x > 8).float(),
    ),
    "categorical": LikelihoodCase(
        "categorical",
        lambda: CategoricalDecoder(mlp(4, 3)),
        categorical,
        [0, 1, 2, 2],
        data=lambda x: x,
        network="gated-mlp",
    ),
    "gaussian-shared": LikelihoodCase(
        "gaussian",
        lambda: GaussianDecoder(mlp(4), data_range=(0, 16)),
        gaussian_shared,
        [0.3, 15.0, 3.0, 7.0],
        data=lambda x: 1000 * x + 0.5,
        network="conv",
    ),
    "gaussian-fixed": LikelihoodCase(
        "gaussian",
        lambda: GaussianDecoder(mlp(4), scale=0.3, data_range=([0, -1, 0, 2], [1, 1, 4, 3])),
        gaussian_fixed,
        [0.3, -0.9, 3.0, 2.1],
        data=lambda x: x / 16,
        options={"options": {"scale": 0.3}},
    ),
    "gaussian-network": LikelihoodCase(
        "gaussian",
        lambda: GaussianDecoder(mlp(4, 2), scale="network", min_scale=0.01),
        gaussian_network,
        [0.3, 0.9, 0.0, 1.0],
        data=lambda x: x / 16,
        options={"options": {"scale": "network"}},
        network="gated-mlp",
    ),
    "logistic-shared": LikelihoodCase(
        "discretized-logistic",
        lambda: DiscretizedLogisticDecoder(mlp(4)),
        logistic_shared,
        [0, 100, 254, 255],
        data=lambda x: (x * 15.9375).floor(),
        network="conv",
    ),
    "logistic-network": LikelihoodCase(
        "discretized-logistic",
        lambda: DiscretizedLogisticDecoder(mlp(4, 2), 8, "network"),
        logistic_network,
        [0, 3, 6, 7],
        data=lambda x: x * 15,
        options={"options": {"scale": "network"}},
    ),
    "poisson": LikelihoodCase(
        "poisson",
        lambda: PoissonDecoder(mlp(4), TYPICAL),
        poisson,
        [0, 3, 40, 9000],
        data=counts,
    ),
    "negative-binomial": LikelihoodCase(
        "negative-binomial",
        lambda: NegativeBinomialDecoder(mlp(4), (4,), TYPICAL),
        negative_binomial,
        [0, 3, 40, 9000],
        data=counts,
        network="gated-mlp",
    ),
    "mixed": LikelihoodCase(
        "mixed",
        lambda: MixedDecoder(mlp(10), SPANS, [3.0, 40.0]),
        mixed,
        [0.3, -1.2, 0, 1, 0, 4.0, 2.0, 1, 0, 30.0],
        data=table,
        options={"spans": TABLE_SPANS},
        network="gated-mlp",
    ),
}
