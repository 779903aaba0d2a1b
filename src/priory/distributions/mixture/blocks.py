"""The log-densities of a block of components, and the gradients through them, in two forms."""

from collections.abc import Iterator

import torch
from torch import Tensor

from priory.distributions.mixture.log_weights import HALF_LOG_TWO_PI, are_per_point, in_turn

WORKING_MEMORY = 32 * 2**20
"""About the bytes that a block needs while it is worked on."""

FEW = 4
"""Below this many points to a mixture the preparation for the expanded form is not repaid."""


class DirectBlock:
    r"""The quadratic form as it is written, $-\frac12 \sum_l ((z_l - \mu_{kl}) / \sigma_{kl})^2$.

    It is as exact as its arguments, and takes memory for B·K·L numbers.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)`, or `(*P, R, K)` with R sets of them, one for each of R
            points in turn.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.

    """

    def __init__(self, z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.scale = logits, scale
        self.standardised = (z.unsqueeze(-2) - loc.unsqueeze(-3)) / scale.unsqueeze(-3)

    def log_prob(self, out: Tensor | None = None) -> Tensor:
        """Return each component's weighted log-density at each point, `(*P, B, K)`."""
        log_peak = _log_peak(self.logits, self.scale)
        joint = torch.add(log_peak, self.standardised.square().sum(-1), alpha=-0.5, out=out)
        return _add_own_weights(joint, self.logits, self.scale)

    def point_gradient(self, density: Tensor, factor: Tensor) -> Tensor:
        """Return the gradient for z of the sum of density · factor · log_prob, `(*P, B, L)`."""
        pull = self.standardised / self.scale.unsqueeze(-3)
        return pull.mul_(density.unsqueeze(-1)).sum(-2).mul_(-factor)

    def parameter_gradients(self, density: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the same sum for logits, loc and scale."""
        weight = density * factor
        mass = weight.sum(-2)
        moment = weight.unsqueeze(-1) * self.standardised  # (*P, B, K, L)
        first, second = moment.sum(-3), moment.mul_(self.standardised).sum(-3)
        grad_scale = second.sub_(mass.unsqueeze(-1)).div_(self.scale)
        if are_per_point(self.logits, self.scale):
            mass = in_turn(weight, self.logits).sum(-3)
        return mass, first.div_(self.scale), grad_scale


class ExpandedBlock:
    r"""The quadratic form as a matrix product, about the mean $c$ of the block's means.

    With $y = z - c$, $m_k = \mu_k - c$ and the precisions $\tau_k = 1 / \sigma_k^2$,

    $$-\tfrac12 \sum_l \tau_{kl} (y_l - m_{kl})^2 = [y^2, y] \cdot [-\tfrac12 \tau_k, \tau_k m_k]
    - \tfrac12 \sum_l \tau_{kl} m_{kl}^2,$$

    and the gradients are products of the same factors with the responsibilities. The terms cancel,
    and what is left is wrong by about the rounding error of the largest: see `rounding`.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)` or `(*P, R, K)`, as for a `DirectBlock`.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.

    """

    def __init__(self, z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        centre = loc.mean(-2, keepdim=True)
        self.points = z - centre
        self.means = loc - centre
        self.inverse_scale = scale.reciprocal()
        self.precision = self.inverse_scale.square()
        slope = self.precision * self.means
        self.offset = (slope * self.means).sum(-1).mul_(-0.5)  # (*P, K)
        self.logits, self.scale = logits, scale
        self.features = torch.cat([self.points.square(), self.points], -1)  # (*P, B, 2L)
        self.weights = torch.cat([self.precision * -0.5, slope], -1)  # (*P, K, 2L)

    def rounding(self) -> float:
        """Return about how far rounding may move the log-densities, in nats; NaN if they are."""
        furthest = self.features[..., : self.points.shape[-1]].amax(-2).unsqueeze(-1)
        terms = 0.5 * (self.precision @ furthest).squeeze(-1) - self.offset
        return 2 * torch.finfo(terms.dtype).eps * terms.max().item()

    def log_prob(self, out: Tensor | None = None) -> Tensor:
        """Return each component's weighted log-density at each point, `(*P, B, K)`."""
        bias = _log_peak(self.logits, self.scale).add_(self.offset.unsqueeze(-2))
        joint = torch.matmul(self.features, self.weights.mT, out=out).add_(bias)
        return _add_own_weights(joint, self.logits, self.scale)

    def point_gradient(self, density: Tensor, factor: Tensor) -> Tensor:
        """Return the gradient for z of the sum of density · factor · log_prob, `(*P, B, L)`."""
        curvature, slope = (self.weights.mT @ density.mT).mT.contiguous().chunk(2, -1)
        return torch.addcmul(slope, self.points, curvature, value=2).mul_(factor)

    def parameter_gradients(self, density: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the same sum for logits, loc and scale."""
        dims = self.points.shape[-1]
        features = torch.cat([self.features, torch.ones_like(factor)], -1).mul_(factor)
        moments = (features.mT @ density).mT.contiguous()
        second, first, mass = moments.split([dims, dims, 1], -1)  # of y², y and 1
        pull = first - mass * self.means  # of y - m
        square = second - self.means * (first + pull)  # of (y - m)²
        grad_scale = square.mul_(self.precision).sub_(mass).mul_(self.inverse_scale)
        mass = mass.squeeze(-1)
        if are_per_point(self.logits, self.scale):
            mass = in_turn(density * factor, self.logits).sum(-3)
        return mass, pull.mul_(self.precision), grad_scale


def component_blocks(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, tolerance: float
) -> Iterator[tuple[slice, DirectBlock | ExpandedBlock]]:
    """Yield the components block by block, each with its range, in the type of z.

    A block is expanded unless that is slower, or less exact than it has to be.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)` or `(*P, R, K)`, as for a `DirectBlock`.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.
        tolerance: How many nats rounding may move a log-density.

    """
    (points, dims), mixtures = z.shape[-2:], z.shape[:-2].numel()

    def cut(start: int, stop: int, numbers: int) -> Iterator[tuple[int, int]]:
        # `numbers` is what a component needs while its block is worked on.
        step = max(1, WORKING_MEMORY // max(1, mixtures * numbers * z.dtype.itemsize))
        return ((first, min(first + step, stop)) for first in range(start, stop, step))

    def parameters(start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        size = stop - start
        return (
            logits.narrow(-1, start, size),
            loc.narrow(-2, start, size).to(z.dtype),
            scale.narrow(-2, start, size).to(z.dtype),
        )

    # A type narrower than float64 cannot afford to cancel.
    expands = points >= FEW and z.dtype == torch.float64
    for start, stop in cut(0, loc.shape[-2], points + 14 * dims):
        if expands:
            block = ExpandedBlock(z, *parameters(start, stop))
            if block.rounding() <= tolerance:
                yield slice(start, stop), block
                continue
        for piece in cut(start, stop, 4 * points * dims):
            yield slice(*piece), DirectBlock(z, *parameters(*piece))


def _log_peak(logits: Tensor, scale: Tensor) -> Tensor:
    # The log-density of each component at its mean, `(*P, 1, K)`, weighted where points share it.
    log_peak = scale.log().sum(-1).add_(HALF_LOG_TWO_PI * scale.shape[-1]).neg_()
    return (log_peak if are_per_point(logits, scale) else log_peak.add_(logits)).unsqueeze(-2)


def _add_own_weights(joint: Tensor, logits: Tensor, scale: Tensor) -> Tensor:
    if are_per_point(logits, scale):
        in_turn(joint, logits).add_(logits.unsqueeze(-3))
    return joint
