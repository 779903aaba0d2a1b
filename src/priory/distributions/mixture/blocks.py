"""The log-densities of a block of components, and the gradients through them, in two forms."""

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

WORKING_MEMORY = 32 * 2**20
"""The approximate number of bytes that a block needs while it is processed."""

SMALL = 4096
"""Up to this value of B·K·L the direct form is faster, because it needs no preparation."""

FEW = 4
"""Below this many points per mixture, the preparation for the expanded form is not worth it."""

WITHOUT_FLOAT64 = {"mps"}
"""The kinds of device without float64."""

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

Gradients = tuple[Tensor | None, ...]


def working_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype for sums on a device: float64 if available.

    Examples:
        >>> import torch
        >>> from priory.distributions import working_dtype
        >>> working_dtype(torch.device("cpu"))
        torch.float64
    """
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor in the dtype for sums on its device."""
    return tensor.to(working_dtype(tensor.device))


def direct_form(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return each component's weighted log-density in the direct form, for broadcasting arguments.

    $$\log w_k - \sum_l \log \sigma_{kl} - \tfrac{L}{2} \log 2\pi
    - \tfrac12 \sum_l \Big(\frac{z_l - \mu_{kl}}{\sigma_{kl}}\Big)^2$$

    It is as precise as its arguments, needs memory for B·K·L numbers, and uses operations that
    every transform, compiler and runtime knows.

    It returns the log-densities in nats, `(*batch, K)`, and the standardised differences, `(*batch,
    K, L)`.
    """
    standardised = (z.unsqueeze(-2) - loc) / scale
    log_volume = scale.log().sum(-1) + HALF_LOG_TWO_PI * scale.shape[-1]
    square = standardised.square().sum(-1)
    return torch.sub(logits - log_volume, square, alpha=0.5), standardised


def flattened(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, torch.Size]:
    """Return the arguments of blocks, and the shape of the log-density.

    The last dimensions are those of mixtures with their own components, before them are those of
    mixtures that differ only in their weights, and first those of the points of each.
    """
    dims, components = loc.shape[-1], logits.shape[-1]
    mixtures = torch.broadcast_shapes(loc.shape[:-2], scale.shape[:-2])
    shape = torch.broadcast_shapes(z.shape[:-1], logits.shape[:-1], mixtures)
    mixtures = _without_leading_ones(mixtures)
    loc, scale = (
        t.reshape(*_without_leading_ones(t.shape[:-2]), *t.shape[-2:]) for t in (loc, scale)
    )
    lead, mixtures = shape[: len(shape) - len(mixtures)], shape[len(shape) - len(mixtures) :]
    sets = _without_leading_ones(logits.shape[: max(0, logits.dim() - 1 - len(mixtures))])
    kept = max(0, logits.dim() - 1 - len(sets) - len(mixtures))
    logits = logits.reshape(logits.shape[kept:])
    sets = lead[len(lead) - len(sets) :]
    logits = logits.expand(*sets, *mixtures, components)
    z = z.expand(*shape, dims)
    if not mixtures:
        logits = logits.reshape(math.prod(sets), components) if sets else logits
        return z.reshape(math.prod(shape), dims), logits, loc, scale, shape
    count = math.prod(mixtures)
    points = z.reshape(math.prod(lead), count, dims).transpose(0, 1)
    if sets:
        logits = logits.reshape(math.prod(sets), count, components).transpose(0, 1)
    else:
        logits = logits.reshape(count, components)
    loc, scale = (
        t.expand(*mixtures, *t.shape[-2:]).reshape(count, *t.shape[-2:]) for t in (loc, scale)
    )
    return points, logits, loc, scale, shape


def _without_leading_ones(shape: Sequence[int]) -> Sequence[int]:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


# A block's log-weights are one set, (*P, K), or R sets that its points take in turn, (*P, R, K):
# with S times R points, point n has the weights n modulo R.


def are_per_point(logits: Tensor, scale: Tensor) -> bool:
    """Return whether there are several sets of log-weights."""
    return logits.dim() == scale.dim()


def in_turn(values: Tensor, logits: Tensor) -> Tensor:
    """Reshape a quantity of points, `(*P, S·R, N)`, to `(*P, S, R, N)`."""
    points, sets = values.shape[-2], logits.shape[-2]
    return cast(Tensor, values.unflatten(-2, (points // max(1, sets), sets)))


def direct_form_of_block(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the direct form of a block's arguments, `(*P, B, K)` and `(*P, B, K, L)`."""
    if not are_per_point(logits, scale):
        return direct_form(z, logits.unsqueeze(-2), loc.unsqueeze(-3), scale.unsqueeze(-3))
    loc, scale = loc[..., None, None, :, :], scale[..., None, None, :, :]
    joint, standardised = direct_form(in_turn(z, logits), logits.unsqueeze(-3), loc, scale)
    return joint.flatten(-3, -2), standardised.flatten(-4, -3)


class DirectBlock:
    """A block of components in the direct form; a small mixture is one of these.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)` or `(*P, R, K)`.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.
    """

    def __init__(self, z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.scale = logits, scale.to(z.dtype)
        self.joint, self.standardised = direct_form_of_block(z, logits, loc, self.scale)

    def log_prob(self, out: Tensor | None = None) -> Tensor:
        """Return each component's weighted log-density at each point, `(*P, B, K)`, once."""
        return self.joint if out is None else out.copy_(self.joint)

    def gradients(
        self, density: Tensor, factor: Tensor, of_points: bool, of_parameters: bool
    ) -> Gradients:
        """Return the gradients of the sum of density · factor · log_prob for all arguments."""
        weight = density * factor
        pull = weight.unsqueeze(-1) * self.standardised
        pull /= self.scale.unsqueeze(-3)  # (*P, B, K, L)
        grad_z = pull.sum(-2).neg_() if of_points else None
        if not of_parameters:
            return grad_z, None, None, None
        mass, grad_loc = weight.sum(-2), pull.sum(-3)
        grad_scale = pull.mul_(self.standardised).sum(-3) - mass.unsqueeze(-1) / self.scale
        if are_per_point(self.logits, self.scale):
            mass = in_turn(weight, self.logits).sum(-3)
        return grad_z, mass, grad_loc, grad_scale


class ExpandedBlock:
    r"""A block whose quadratic form is a matrix product, centred at the mean $c$ of its means.

    With $y = z - c$, $m_k = \mu_k - c$ and the precisions $\tau_k = 1 / \sigma_k^2$,

    $$-\tfrac12 \sum_l \tau_{kl} (y_l - m_{kl})^2 = [y^2, y, 1] \cdot [-\tfrac12 \tau_k,
    \tau_k m_k, -\tfrac12 \sum_l \tau_{kl} m_{kl}^2],$$

    and the gradients are products of the same factors with the responsibilities. The terms cancel,
    and the result has about the rounding error of the largest: see `rounding`.

    Its arguments are those of a `DirectBlock`.
    """

    def __init__(self, z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.scale = logits, scale
        dims, centre = z.shape[-1], loc.mean(-2, keepdim=True, dtype=z.dtype)
        self.means = loc - centre
        self.inverse_scale = scale.to(z.dtype, copy=True).reciprocal_()
        self.precision = self.inverse_scale.square()
        # Written in place: allocating memory costs more than computing the numbers.
        self.features = z.new_empty(*z.shape[:-1], 2 * dims + 1)
        square, self.points, ones = self.features.split([dims, dims, 1], -1)
        torch.sub(z, centre, out=self.points)
        torch.square(self.points, out=square)
        ones.fill_(1)
        self.weights = z.new_empty(*loc.shape[:-1], 2 * dims + 1)
        curvature, slope, bias = self.weights.split([dims, dims, 1], -1)
        torch.mul(self.precision, -0.5, out=curvature)
        torch.mul(self.precision, self.means, out=slope)
        self.offset = (slope * self.means).sum(-1).mul_(-0.5)  # (*P, K)
        log_peak = self.inverse_scale.log().sum(-1).sub_(HALF_LOG_TWO_PI * dims)
        torch.add(self.offset, log_peak, out=bias.squeeze(-1))
        if not are_per_point(logits, scale):
            bias.squeeze(-1).add_(logits)

    def rounding(self) -> float:
        """Estimate the rounding error of the log-densities, in nats; NaN if they are NaN."""
        furthest = self.features[..., : self.points.shape[-1]].amax(-2).unsqueeze(-1)
        terms = 0.5 * (self.precision @ furthest).squeeze(-1) - self.offset
        return 2 * torch.finfo(terms.dtype).eps * float(terms.max())

    def log_prob(self, out: Tensor | None = None) -> Tensor:
        """Return each component's weighted log-density at each point, `(*P, B, K)`."""
        joint = torch.matmul(self.features, self.weights.mT, out=out)
        if are_per_point(self.logits, self.scale):
            in_turn(joint, self.logits).add_(self.logits.unsqueeze(-3))
        return joint

    def gradients(
        self, density: Tensor, factor: Tensor, of_points: bool, of_parameters: bool
    ) -> Gradients:
        """Return the gradients of the sum of density · factor · log_prob for all arguments."""
        dims = self.points.shape[-1]
        grad_z = None
        if of_points:
            weights = self.weights[..., : 2 * dims]
            curvature, slope = (weights.mT @ density.mT).mT.contiguous().chunk(2, -1)
            grad_z = torch.addcmul(slope, self.points, curvature, value=2).mul_(factor)
        if not of_parameters:
            return grad_z, None, None, None
        moments = ((self.features * factor).mT @ density).mT.contiguous()
        second, first, mass = moments.split([dims, dims, 1], -1)  # of y², y and 1
        second.addcmul_(self.means, first, value=-1)  # of y (y - m)
        first.addcmul_(self.means, mass, value=-1)  # of y - m
        second.addcmul_(self.means, first, value=-1)  # of (y - m)²
        grad_scale = second.mul_(self.precision).sub_(mass).mul_(self.inverse_scale)
        mass = mass.squeeze(-1)
        if are_per_point(self.logits, self.scale):
            mass = in_turn(density * factor, self.logits).sum(-3)
        return grad_z, mass, first.mul_(self.precision), grad_scale


def is_small(z: Tensor, loc: Tensor) -> bool:
    """Return whether the number of operations determines the cost, rather than their size."""
    return z.numel() * loc.shape[-2] <= SMALL


def component_blocks(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, tolerance: float
) -> Iterator[tuple[slice, DirectBlock | ExpandedBlock]]:
    """Yield the components in blocks, each with its range, in the dtype of z.

    A block is expanded unless that is slower, or not precise enough.

    The arguments are those of a block; rounding may move a log-density by `tolerance` nats.
    """
    (*mixtures, points, dims), components = z.shape, loc.shape[-2]
    size = math.prod(mixtures) * z.dtype.itemsize
    # Types narrower than float64 lose too much precision to cancellation.
    expands = points >= FEW and z.numel() > 0 and z.dtype == torch.float64
    for start, stop in _ranges(0, components, size * (points + 14 * dims)):
        if expands:
            block = ExpandedBlock(z, *_narrowed(start, stop, logits, loc, scale))
            if block.rounding() <= tolerance:
                yield slice(start, stop), block
                continue
        for piece in _ranges(start, stop, size * 4 * points * dims):
            yield slice(*piece), DirectBlock(z, *_narrowed(*piece, logits, loc, scale))


def _ranges(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Split a range of components, each of which needs `size` bytes while it is processed."""
    step = max(1, WORKING_MEMORY // max(1, size))
    return ((first, min(first + step, stop)) for first in range(start, stop, step))


def _narrowed(
    start: int, stop: int, logits: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    chosen = slice(start, stop)
    return logits[..., chosen], loc[..., chosen, :], scale[..., chosen, :]
