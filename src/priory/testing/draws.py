"""Whether draws have the same distribution and are independent, from bounded features of each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.testing import causes
from priory.testing.p_values import of_two_samples, seeded
from priory.testing.subject import Subject

MOST = 16
"""The most coordinates that are looked at; of more, as many projections are."""


def features(subject: Subject, u: Tensor) -> Tensor:
    """Return what is looked at in each draw, `(n, F)`.

    Its coordinates, those inside its cluster, its distance from the centre of that, its density,
    and which of the largest clusters it belongs to.
    """
    clusters, size = subject.clusters, u.shape[1]
    member = clusters.member(u)
    inside = torch.empty_like(u)
    for j in range(len(clusters.share)):
        rows = member == j
        inside[rows] = clusters.whitened(u[rows], j)
    if size > MOST:
        with seeded(subject.seed + 9):
            turn = torch.linalg.qr(torch.randn(size, MOST, dtype=u.dtype)).Q
        u, features = u @ turn, inside @ turn
    else:
        features = inside
    large = clusters.share.argsort(descending=True)[:8]
    large = large[clusters.share[large] > 0.1]  # of rare ones no correlation is normal
    belongs = (member.unsqueeze(-1) == large).to(u.dtype)
    return torch.cat([u, features, inside.square().sum(-1, keepdim=True), belongs], dim=-1)


def law_differs(subject: Subject, draws: Tensor) -> float:
    """Return the p-value that draws, `(n, L)`, have the law of the samples of the subject."""
    u = subject.free.to_free(draws)
    if not u.isfinite().all():
        return 0.0
    ours, theirs = subject.fresh_samples[: len(u)], u
    densities = [subject.free.log_prob(x).unsqueeze(-1) for x in (ours, theirs)]
    parts = [
        torch.cat([features(subject, x), log_p], dim=-1)
        for x, log_p in zip((ours, theirs), densities, strict=True)
    ]
    return of_two_samples(*parts)


@lru_cache(maxsize=8)
def training_differs(subject: Subject) -> float:
    """Return the p-value that samples in training mode have the law of those in evaluation mode.

    From one seed both modes should draw the same samples, and nothing is left to chance.
    """
    n = subject.num_samples
    with torch.no_grad():
        modes = [subject.new_distribution(training=training) for training in (False, True)]
        draws = []
        for p in modes:
            with seeded(subject.seed + 2):
                draws.append(p.sample(torch.Size((n,))).double())
    return 1.0 if torch.equal(*draws) else law_differs(subject, draws[1])


@dataclass(frozen=True)
class Dependence:
    """Dependence between draws: the p-value, and the matching cause if it is small."""

    p: float
    cause: str


@lru_cache(maxsize=8)
def dependence(subject: Subject, p: Distribution | None = None) -> Dependence:
    """Test whether the draws of the subject, or of a distribution, depend on one another.

    Draws of one long `sample_shape` and of one with two dimensions are paired with their
    neighbours, with those half a sample away and with their mirror places; of independent draws no
    feature is correlated in any pairing.
    """
    n, p = subject.num_samples, subject.p if p is None else p
    side = math.isqrt(n)
    with seeded(subject.seed + 6):
        line = p.sample(torch.Size((n,))).double()
        square = p.sample(torch.Size((side, side))).double()
    least = Dependence(1.0, "")
    for shape, pairs in (("line", _of_line(n)), ("square", _of_square(side))):
        if least.p <= subject.level:
            break  # what shows along a line shows in a square as well
        z = line if shape == "line" else square.flatten(0, 1)
        if len(z.unique(dim=0)) < 0.98 * len(z):
            cause = causes.DUPLICATED if shape == "line" else causes.SAMPLE_SHAPE
            return Dependence(0.0, cause)
        scores = _normal_scores(features(subject, subject.free.to_free(z)))
        for name, first, second in pairs:
            a, b = scores[first], scores[second]
            product = a * b  # of variance one, if they are independent
            t = product.sum(0) / math.sqrt(len(product))
            value = float(torch.special.erfc(t.abs() / math.sqrt(2)).min()) * 10 * len(t)
            if value < least.p:
                correlation = product.mean(0)
                moving = correlation[: 2 * min(MOST, subject.fresh_samples.shape[1])]
                mirrored = float(moving.min()) < -0.1 and name != "after"
                cause = causes.MIRRORED if mirrored else causes.CHAINED
                least = Dependence(value, cause if shape == "line" else causes.SAMPLE_SHAPE)
    return least


def _of_line(n: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield pairs of places: halves, mirror places, neighbours, and those a few places apart."""
    place, half = torch.arange(n), n // 2
    yield "half", place[:half], place[half : 2 * half]
    yield "mirror", place[:half], place.flip(0)[:half]
    yield "even", place[: 2 * half : 2], place[1 : 2 * half : 2]
    yield "after", place[1 : 2 * half - 1 : 2], place[2 : 2 * half : 2]
    yield "after", place[:-2], place[2:]
    yield "after", place[:-5], place[5:]


def _of_square(side: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield pairs of places: neighbours and halves along each dimension."""
    place = torch.arange(side**2).reshape(side, side)
    half = side // 2
    for table in (place, place.T):
        yield "along", table[:, :-1].flatten(), table[:, 1:].flatten()
        yield "half", table[:, :half].flatten(), table[:, half : 2 * half].flatten()


def _normal_scores(x: Tensor) -> Tensor:
    """Return the quantiles of a normal at the ranks of each column; indicators are centred."""
    n = len(x)
    few = torch.tensor([len(column[:1000].unique()) < 10 for column in x.T])
    rank = x.argsort(0).argsort(0).to(x.dtype)
    score = torch.special.ndtri((rank + 0.5) / n)
    return torch.where(few, (x - x.mean(0)) / x.std(0).clamp(min=1e-9), score)
