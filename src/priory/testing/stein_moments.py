"""Stein's identities near each cluster of samples, with bounded fields."""

import math

import torch
from torch import Tensor

from priory.testing.clusters import Clusters
from priory.testing.p_values import of_means, seeded, skewed


def of_stein_moments(z: Tensor, score: Tensor, clusters: Clusters, seed: int) -> float:
    """Return the p-value of the identities near all clusters, corrected for the number of them.

    It is not a number where a few samples decide every mean.
    """
    size = z.shape[1]
    with seeded(seed):
        turn = torch.linalg.qr(torch.randn(size, size, dtype=z.dtype)).Q
    least, count = math.nan, 0
    for j in clusters.share.argsort(descending=True)[:8].tolist():
        w = clusters.whitened(z, j)
        s = score @ clusters.root[j]  # the score in these coordinates
        near = 1 / (1 + w.square().sum(-1, keepdim=True) / size)
        g, slope = near**2, -4 / size * near**3 * w
        columns = [g * s + slope, g * (w * s + 1) + slope * w]
        if size > 1:
            turned, turned_s = w @ turn, s @ turn
            columns.append(g * (turned * turned_s + 1) + (slope @ turn) * turned)
        columns.append(columns[1].sum(-1, keepdim=True))
        values = torch.cat(columns, dim=-1)
        values = values[:, ~skewed(values)]
        if values.shape[1]:
            count += 1
            least = min(of_means(values, 0.0), 1.0 if math.isnan(least) else least)
    return min(1.0, least * count) if count else math.nan
