"""Clusters of samples: a mixture of Gaussians with full covariances, where the samples lie."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from priory.testing.p_values import seeded

MOST = 32
"""The most clusters that are tried."""


@dataclass(frozen=True)
class Clusters:
    """Gaussians that together lie where the samples do.

    Attributes:
        share: Of the samples in each cluster, `(J,)`.
        centre: `(J, D)`.
        root: The Cholesky root of the covariance of each, `(J, D, D)`.
        diagonal: Whether covariances are diagonal.
    """

    share: Tensor
    centre: Tensor
    root: Tensor
    diagonal: bool = False

    def whitened(self, z: Tensor, j: int) -> Tensor:
        """Return points in the coordinates of one cluster, in which it is standard, `(n, D)`."""
        if self.diagonal:
            return (z - self.centre[j]) / self.root[j].diagonal()
        white: Tensor = (z - self.centre[j]) @ self._inverse[j].T
        return white

    @cached_property
    def _inverse(self) -> Tensor:
        one = torch.eye(self.root.shape[-1], dtype=self.root.dtype).expand_as(self.root)
        inverse: Tensor = torch.linalg.solve_triangular(self.root, one, upper=False)
        return inverse

    @cached_property
    def log_det(self) -> Tensor:
        """The logarithm of the volume of each cluster's standard deviations, `(J,)`."""
        log_det: Tensor = self.root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_det

    def squared(self, z: Tensor) -> Tensor:
        """Return the squared distance of each point from each cluster, `(n, J)`."""
        rows = range(len(self.share))
        return torch.stack([self.whitened(z, j).square().sum(-1) for j in rows], dim=-1)

    def joint(self, z: Tensor) -> Tensor:
        """Return the weighted log-density of each cluster, `(n, J)`."""
        constant = 0.5 * z.shape[1] * math.log(2 * math.pi)
        return self.share.log() - constant - self.log_det - 0.5 * self.squared(z)

    def member(self, z: Tensor) -> Tensor:
        """Return the cluster that each point most likely belongs to, `(n,)`."""
        return self.joint(z).argmax(-1)


def cluster(z: Tensor, seed: int, most: int = MOST) -> Clusters:
    """Return the clusters of points `(n, D)` that the BIC chooses, by expectation-maximisation.

    Covariances are full, or diagonal where there are too few points for full ones. The outermost
    points are drawn in, so that heavy tails do not have the clusters to themselves.
    """
    edges = torch.tensor([5e-4, 1 - 5e-4], dtype=z.dtype)
    low, high = torch.quantile(z[:20_000], edges, dim=0)
    inside = z.clamp(low, high)
    size = z.shape[1]
    best, lowest = None, math.inf
    for full in (True, False) if size > 1 else (True,):
        few = 2000 if size <= 8 else len(inside) if full else 8000
        points = inside[:few]
        each = size * (size + 3) / 2 if full else 2 * size
        count, worse, least = 1, 0, math.inf
        while count <= most and count * each < len(points) / 2 and worse < 2:
            fit = _fitted(points, k_means(points, count, seed), full)
            fit = _refined(fit, points, full, steps=8 if count > 1 else 0)
            log_p = float(torch.logsumexp(fit.joint(points), dim=-1).mean())
            bic = 0.5 * each * len(fit.share) * math.log(len(points)) / len(points) - log_p
            worse, least = (0, bic) if bic < least else (worse + 1, least)
            best, lowest = (fit, bic) if bic < lowest else (best, lowest)
            count *= 2
    assert best is not None
    return _refined(best, inside, not best.diagonal, steps=2)


def k_means(z: Tensor, count: int, seed: int) -> Tensor:
    """Return up to `count` centres of points `(n, D)`, by k-means from k-means++ seeds."""
    few = z[:2000]
    with seeded(seed):
        centre = few[:1]
        while len(centre) < count:
            gap = torch.cdist(few, centre).amin(-1).square() + 1e-300
            centre = torch.cat([centre, few[torch.multinomial(gap, 1)]])
    for _ in range(10):
        member = torch.cdist(few, centre).argmin(-1)
        centre = torch.stack([few[member == j].mean(0) for j in member.unique()])
    return centre


def _fitted(z: Tensor, centre: Tensor, full: bool) -> Clusters:
    """Return the clusters of the points that are nearest to each centre."""
    near = torch.cdist(z, centre).argmin(-1)
    return _maximised(z, torch.nn.functional.one_hot(near, len(centre)).to(z.dtype), full)


def _refined(clusters: Clusters, z: Tensor, full: bool, steps: int) -> Clusters:
    for _ in range(steps):
        clusters = _maximised(z, clusters.joint(z).softmax(-1), full)
    return clusters


def _maximised(z: Tensor, member: Tensor, full: bool) -> Clusters:
    """Return the clusters of points that belong to each by a share, without those of too few."""
    count = member.sum(0)
    large = count > min(len(z) / 2, 3 * z.shape[1] if full else 6)
    member, count = member[:, large], count[large]
    centre = (member.T @ z) / count.unsqueeze(-1)
    overall = z.var(0) + 1e-300
    roots = []
    for j in range(len(count)):
        offset = (z - centre[j]) * member[:, j].sqrt().unsqueeze(-1)
        spread = offset.square().sum(0) / count[j]
        floor = torch.maximum(1e-9 * spread, 1e-16 * overall)
        if full:
            covariance = offset.T @ offset / count[j] + torch.diag(floor)
            roots.append(torch.linalg.cholesky_ex(covariance).L)
        else:
            roots.append(torch.diag((spread + floor).sqrt()))
    return Clusters(count / count.sum(), centre, torch.stack(roots), not full)
