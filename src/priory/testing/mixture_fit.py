"""A mixture of diagonal Gaussians fitted to points, to find out how two sets of points differ."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from priory.testing.clusters import k_means


@dataclass(frozen=True)
class MixtureFit:
    """Weights `(K,)`, means `(K, L)` and standard deviations `(K, L)` of the components."""

    weight: Tensor
    loc: Tensor
    scale: Tensor

    def joint(self, z: Tensor) -> Tensor:
        """Return the weighted log-density of each component up to a constant, `(n, K)`."""
        precision = self.scale.square().reciprocal()
        squares = (
            z.square() @ precision.T
            - 2 * z @ (self.loc * precision).T
            + (self.loc.square() * precision).sum(-1)
        )
        return self.weight.log() - self.scale.log().sum(-1) - 0.5 * squares

    def log_likelihood(self, z: Tensor) -> float:
        """Return the mean log-density up to a constant."""
        return float(torch.logsumexp(self.joint(z), dim=-1).mean())

    def step(self, z: Tensor) -> "MixtureFit":
        """Return the mixture after one step of expectation and maximisation."""
        member = self.joint(z).softmax(-1)
        count = member.sum(0) + 1e-9
        loc = member.T @ z / count.unsqueeze(-1)
        variance = member.T @ z.square() / count.unsqueeze(-1) - loc.square()
        floor = 1e-6 * z.var(0) + 1e-30
        return MixtureFit(count / len(z), loc, variance.maximum(floor).sqrt())

    def refitted(self, z: Tensor, part: str) -> "MixtureFit":
        """Return the mixture with only its `weight`, its `loc` or its `scale` fitted to points."""
        new = self
        for _ in range(30):
            new = replace(new, **{part: getattr(new.step(z), part)})
        return new

    def rescaled(self, z: Tensor) -> "MixtureFit":
        """Return the mixture with all standard deviations multiplied by the best factor."""
        steps = [i / 20 for i in range(-8, 9)] + [-2.0, -1.5, -1.0, -0.7, 0.7, 1.0, 1.5, 2.0]
        scaled = [replace(self, scale=self.scale * 2**step) for step in steps]
        return max(scaled, key=lambda mixture: mixture.log_likelihood(z))

    def with_power(self, power: float) -> "MixtureFit":
        """Return the mixture with its standard deviations raised to a power."""
        return replace(self, scale=self.scale**power)


def fit_mixture(z: Tensor, seed: int) -> MixtureFit:
    """Fit mixtures of one to eight components and return the one of the best BIC.

    The choice is made on a part of the points, and the best mixture fitted to all.
    """
    part = z[:3000]
    penalty = (2 * z.shape[1] + 1) * math.log(len(part)) / (2 * len(part))

    def fit(count: int) -> MixtureFit:
        centre = k_means(part, count, seed)
        member = torch.cdist(part, centre).argmin(-1)
        groups = [part[member == j] for j in range(len(centre))]
        share = torch.tensor([len(group) + 1.0 for group in groups]).to(z)
        scale = torch.stack([group.std(0, correction=0) for group in groups]) + 1e-6 * part.std(0)
        mixture = MixtureFit(share / share.sum(), centre, scale)
        for _ in range(60):
            mixture = mixture.step(part)
        return mixture

    fits = [fit(count) for count in range(1, 9)]
    best = max(fits, key=lambda f: f.log_likelihood(part) - penalty * len(f.weight))
    for _ in range(30):
        best = best.step(z)
    return best
