"""A distribution as one on the whole of R^D: its support stretched over it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    Transform,
    TransformedDistribution,
    biject_to,
    constraints,
)
from torch.distributions.constraints import Constraint

BLOCK = 2**12
"""How many numbers the points of one call hold: a density may broadcast them to many components."""


@dataclass(frozen=True, eq=False)
class Free:
    r"""A distribution p(z) in coordinates u without bounds, $z = T(u)$.

    $$\log q(u) = \log p(T(u)) + \log |\det \partial T / \partial u|$$

    All that is judged by integrals, by the score or by finite differences is judged here, where no
    point lies outside the support and nothing is lost at a border.

    Attributes:
        p: The distribution.
        transform: T, or nothing where the support is the whole space.
        circular: The coordinates that are angles, `(L,)`.
        cut: Whether the density is zero near its samples all the same, in places of a support that
            says nothing of it: what holds of the score in the whole space does not hold then.
    """

    p: Distribution
    transform: Transform | None
    circular: Tensor
    cut: bool = False

    def from_free(self, u: Tensor) -> Tensor:
        """Return z, `(*, L)`."""
        return u if self.transform is None else cast(Tensor, self.transform(u))

    def to_free(self, z: Tensor) -> Tensor:
        """Return u, `(*, D)`; D is less than L on a simplex."""
        z = z.double()
        if self.circular.any():
            z = torch.where(self.circular, (z + math.pi) % (2 * math.pi) - math.pi, z)
        return z if self.transform is None else cast(Tensor, self.transform.inv(z))

    def log_prob(self, u: Tensor) -> Tensor:
        """Return log q(u) without a gradient, a block of points at a time, `(n,)`."""
        with torch.no_grad():
            return torch.cat([self.with_gradient(part) for part in u.split(_rows(u))])

    def log_prob_at(self, z: Tensor) -> Tensor:
        """Return log p(z), `(n,)`."""
        with torch.no_grad():
            return torch.cat([self.p.log_prob(part).double() for part in z.split(_rows(z))])

    def score(self, u: Tensor) -> Tensor:
        r"""Return $\nabla_u \log q$, a block of points at a time, `(n, D)`."""
        return torch.cat([score_at(self.with_gradient, part) for part in u.split(_rows(u))])

    def with_gradient(self, u: Tensor) -> Tensor:
        """Return log q(u) of a few points, `(n,)`."""
        z = self.from_free(u)
        log_p = _where_allowed(self.p, z).double()
        if self.transform is None:
            return log_p
        log_det = self.transform.log_abs_det_jacobian(u, z)
        log_q = log_p + (log_det if log_det.dim() == 1 else log_det.flatten(1).sum(-1))
        # Further out z is rounded to the border, where p may be anything.
        return torch.where(log_q.isnan() & (u.abs().amax(-1) > 30), -math.inf, log_q)


def free(p: Distribution, samples: Tensor) -> Free:
    """Return a distribution in free coordinates; its own are free where its support says nothing.

    Angles, whose density is periodic and declared on the whole line, are told by a few samples.
    """
    circular = _circular(p, samples[:16])
    angle = constraints.interval(-math.pi, math.pi)
    if circular.any():
        parts = [angle if is_angle else constraints.real for is_angle in circular.tolist()]
        return Free(p, biject_to(constraints.stack(parts, dim=-1)), circular)
    transform = None
    if (support := support_of(p)) is not None:
        transform = biject_to(support)
        if transform is biject_to(constraints.real):
            transform = None
    density = Free(p, transform, circular)
    u = density.to_free(samples)
    spread = u.quantile(0.9, dim=0) - u.quantile(0.1, dim=0)
    cut = torch.cat([density.log_prob(u + side * spread) for side in (-0.5, 0.5)]).isneginf().any()
    return replace(density, cut=bool(cut))


def support_of(p: Distribution) -> Constraint | None:
    """Return the support of a distribution; nothing where it declares none, or the whole space."""
    try:  # torch's way to say that there is none, or no way there
        declared = p.support
        if declared is None:
            return None
        support = _of_one(declared)
        biject_to(support)
    except NotImplementedError:
        return None
    base = support
    while isinstance(base, constraints.independent):
        base = base.base_constraint
    return None if base is constraints.real else support


def _of_one(support: Constraint) -> Constraint:
    """Return a support of vectors; for a mixture, the smallest that holds all components."""
    # An older torch gives a mixture the support of its components, with a row for each, itself.
    is_of_mixture = isinstance(support, getattr(constraints, "MixtureSameFamilyConstraint", ()))
    base = getattr(support, "base_constraint", support) if is_of_mixture else support
    while isinstance(base, constraints.independent):
        base = base.base_constraint
    low, high = (getattr(base, f"{side}_bound", None) for side in ("lower", "upper"))
    has_rows = False
    if isinstance(low, Tensor) and low.dim() > 1:
        low, has_rows = low.amin(-2), True
    if isinstance(high, Tensor) and high.dim() > 1:
        high, has_rows = high.amax(-2), True
    if not is_of_mixture and not has_rows:
        return support
    if low is not None and high is not None:
        base = constraints.interval(low, high)
    elif low is not None:
        base = constraints.greater_than(low)
    elif high is not None:
        base = constraints.less_than(high)
    return base


@torch.no_grad()
def _circular(p: Distribution, z: Tensor) -> Tensor:
    """Return which coordinates the density repeats itself in every two pi, `(L,)`."""
    none = torch.zeros(z.shape[-1], dtype=torch.bool)
    if support_of(p) is not None:
        return none
    here = _where_allowed(p, z)
    for d in range(len(none)):
        if float(z[:, d].abs().max()) > math.pi + 1e-6:
            continue
        other, half = z.clone(), z.clone()
        other[:, d] += 2 * math.pi
        half[:, d] += 2
        same = torch.isclose(_where_allowed(p, other), here, rtol=1e-4, atol=1e-4)
        none[d] = same.all() and not torch.allclose(_where_allowed(p, half), here)
    return none


def score_at(log_prob: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    r"""Return the gradient of a log-density by autograd, `(S, L)`: zero where it has none."""
    z = z.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        log_p = log_prob(z)
        if not log_p.requires_grad:
            return torch.zeros_like(z)
        (score,) = torch.autograd.grad(log_p.sum(), z, allow_unused=True)
    return torch.zeros_like(z) if score is None else score


def _rows(u: Tensor) -> int:
    return max(16, BLOCK // u.shape[-1])


def _where_allowed(p: Distribution, z: Tensor) -> Tensor:
    """Return log p(z), minus infinity where the distribution refuses a point as not its own."""
    try:
        return p.log_prob(z)
    except ValueError as error:
        inside = _inside(p, z).reshape(len(z), -1).all(-1)
        if "support" not in str(error) or inside.all():
            raise
    if not inside.any():
        return z.new_full((len(z),), -math.inf)
    stand_in = z[inside][0].detach()
    log_p = p.log_prob(torch.where(inside.unsqueeze(-1), z, stand_in))
    return torch.where(inside, log_p, -math.inf)


def _inside(p: Distribution, z: Tensor) -> Tensor:
    """Return which values a distribution, or what it is transformed from, takes."""
    match p:
        case Independent():
            return _inside(p.base_dist, z)
        case TransformedDistribution():
            for transform in reversed(p.transforms):
                z = transform.inv(z)
            return _inside(p.base_dist, z)
    support = p.support
    return torch.ones_like(z).bool() if support is None else support.check(z)
