"""Clusters of points."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priory.testing.seeding import seeded


@dataclass(frozen=True)
class Clusters:
    """Centres, and what belongs to them.

    Attributes:
        centre: `(J, L)`.
        share: The share of the points in each cluster, `(J,)`.
        covariance: Of the points in each cluster, `(J, L, L)`.

    """

    centre: Tensor
    share: Tensor
    covariance: Tensor

    def member(self, z: Tensor) -> Tensor:
        """Return the cluster nearest to each point, `(n,)`."""
        return torch.cdist(z, self.centre).argmin(-1)


def cluster(z: Tensor, count: int, seed: int) -> Clusters:
    """Return up to `count` clusters of points `(n, L)`, by k-means from k-means++ seeds."""
    few = z[:2000]
    with seeded(seed):
        centre = few[:1]
        while len(centre) < count:
            gap = torch.cdist(few, centre).amin(-1).square() + 1e-300
            centre = torch.cat([centre, few[torch.multinomial(gap, 1)]])
    for _ in range(15):
        member = torch.cdist(few, centre).argmin(-1)
        groups = [few[member == j] for j in member.unique()]
        centre = torch.stack([group.mean(0) for group in groups])
    member = torch.cdist(z, centre).argmin(-1)
    groups = [z[member == j] for j in range(len(centre))]
    large = [group for group in groups if len(group) > 10 * z.shape[1]] or [z]
    return Clusters(
        torch.stack([group.mean(0) for group in large]),
        torch.tensor([len(group) for group in large], dtype=z.dtype) / len(z),
        torch.stack([torch.cov(group.T).reshape(z.shape[1], -1) for group in large]),
    )
