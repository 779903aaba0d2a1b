"""What lies behind samples and a density that disagree."""

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from priory.distributions import loc_and_scale
from priory.testing import causes
from priory.testing.mixture_fit import MixtureFit, fit_mixture
from priory.testing.p_values import of_chi_square, of_stein_moments, of_uniform, seeded
from priory.testing.results import relative_error
from priory.testing.subject import Subject, recorded


def why_not_normalised(subject: Subject) -> tuple[str, ...]:
    """Return the causes that fit an integral that is not one.

    A wrong constant leaves the score right; wrong weights do so too, and the integral then moves
    with the parameters; a wrong log-determinant changes the score.
    """
    if of_stein_moments(subject.fresh_samples, subject.score) < 1e-6:
        return causes.LOG_DET, causes.WRONG_DENSITY
    other = replace(subject, seed=subject.seed + 500)
    if abs(math.log(other.mass.total / subject.mass.total)) < 0.01:
        return (causes.CONSTANT,)
    return causes.WEIGHTS_UNNORMALISED, causes.LOG_DET


@lru_cache(maxsize=1)
def why_sampler_differs(subject: Subject) -> tuple[str, ...]:
    """Return the causes that fit how samples differ from what the density would draw."""
    if _factorises(subject) and _has_its_marginals(subject):
        return (causes.LOG_SUM_EXP,)
    if not _same_marginals(subject.samples, subject.fresh_samples):
        return (causes.BY_POSITION,)
    z, right = subject.samples, _as_the_density_draws(subject)
    if _squashed(z, right):
        return (causes.SQUASHED,)
    if abs(subject.mass.total - 1) > 0.01 + 5 * subject.mass.error and not subject.mass.trouble:
        return why_not_normalised(subject)
    if subject.mass.trouble:
        return causes.SCALE_OTHER, causes.WEIGHTS_IGNORED, causes.SHIFTED
    if z.shape[1] > 1 and _same_marginals(z, right):
        return (_why_only_jointly(z),)
    return _changed_components(subject, z, right)


def _as_the_density_draws(subject: Subject) -> Tensor:
    """Draw from the weighted points that stand for the density, `(S, L)`."""
    mass, n = subject.mass, subject.num_samples
    width = torch.tensor([float(axis[1] - axis[0]) for axis in mass.axes] or [0.0])
    with seeded(subject.seed + 8):
        z = mass.z[torch.multinomial(mass.weight, n, replacement=True)]
        return z + width * (torch.rand_like(z) - 0.5)


def _squashed(z: Tensor, right: Tensor) -> bool:
    """Whether the samples fill (-1, 1) or (0, 1) while the density has mass beyond."""
    low, high = float(z.min()), float(z.max())
    fills = 0.9 < high <= 1 and (-1 <= low < -0.9 or 0 <= low < 0.1)
    return fills and float(((right < low) | (right > high)).double().mean()) > 0.01


def _factorises(subject: Subject) -> bool:
    """Whether log p is a sum over dimensions: exchanging a coordinate of two points is free."""
    a, b = subject.points[::2], subject.points[1::2]
    for d in range(a.shape[1]):
        mixed_a, mixed_b = a.clone(), b.clone()
        mixed_a[:, d], mixed_b[:, d] = b[:, d], a[:, d]
        before, after = (
            subject.p.log_prob(x) + subject.p.log_prob(y) for x, y in ((a, b), (mixed_a, mixed_b))
        )
        if relative_error(after, before) > 1e-8:
            return False
    return a.shape[1] > 1


def _has_its_marginals(subject: Subject) -> bool:
    """Whether each coordinate of the samples follows its factor of a density that factorises."""
    z = subject.samples
    for d in range(z.shape[1]):
        reach = z[:, d].max() - z[:, d].min()
        axis = torch.linspace(-1, 2, 5001, dtype=z.dtype) * reach + z[:, d].min()
        line = subject.points[0].repeat(len(axis), 1)
        line[:, d] = axis
        below = subject.p.log_prob(line).softmax(0).cumsum(0)
        u = below[torch.searchsorted(axis, z[:, d].contiguous())]
        if of_uniform(u.unsqueeze(-1)) < 1e-6:
            return False
    return True


def _same_marginals(z: Tensor, other: Tensor) -> bool:
    """Whether no coordinate differs in law, by the two-sample Kolmogorov-Smirnov distance."""
    n = len(z)
    order = torch.cat([z, other]).argsort(0)
    steps = torch.where(order < n, 1.0, -1.0).cumsum(0) / n
    return float(steps.abs().max()) < 2.5 * math.sqrt(2 / n)


def _why_only_jointly(z: Tensor) -> str:
    """Tell samples whose coordinates are independent from samples that share their noise."""
    n, bins = len(z), 8
    part = z.argsort(0).argsort(0) * bins // n  # the quantile of each coordinate
    for d in range(z.shape[1] - 1):
        cells = torch.bincount(part[:, d] * bins + part[:, d + 1], minlength=bins**2)
        chi_square = float((cells - n / bins**2).square().sum()) * bins**2 / n
        if of_chi_square(chi_square, (bins - 1) ** 2) < 1e-6:
            return causes.SHARED_NOISE
    return causes.COMPONENT_PER_DIMENSION


def _changed_components(subject: Subject, z: Tensor, right: Tensor) -> tuple[str, ...]:
    """Fit a mixture to the density's draws; say which one change to it explains the samples."""
    base = fit_mixture(right, subject.seed)
    explanations = {
        causes.WEIGHTS_IGNORED: base.refitted(z, "weight"),
        causes.SHIFTED: base.refitted(z, "loc"),
        causes.SCALE_SQUARED: base.with_power(2.0),
        causes.SCALE_ROOT: base.with_power(0.5),
        causes.SCALE_OTHER: base.rescaled(z),
    }
    likelihood = {cause: fit.log_likelihood(z) for cause, fit in explanations.items()}
    best = max(likelihood, key=lambda cause: likelihood[cause])
    if likelihood[best] - base.log_likelihood(z) < 1e-3:
        return causes.SCALE_OTHER, causes.WEIGHTS_IGNORED, causes.SHIFTED
    if best == causes.SCALE_ROOT:
        read = _density_is_the_wrong_one(subject, base)
        return (causes.SCALE_READ, causes.SCALE_ROOT)[:: 1 if read else -1]
    never = (explanations[best].weight < 0.1 * base.weight) & (base.weight > 0.01)
    if best == causes.WEIGHTS_IGNORED and never.any():
        return causes.NEVER_DRAWN, causes.WEIGHTS_IGNORED
    return (best,)


def _density_is_the_wrong_one(subject: Subject, base: MixtureFit) -> bool:
    """Whether the posteriors of pseudo-inputs are as wide as the root of the density's scales."""
    encoder = subject.new_encoder()
    with torch.no_grad(), recorded(encoder) as inputs:
        subject.new_prior()(encoder)
    if not inputs:
        return False
    posterior = loc_and_scale(encoder(inputs[0].detach()))[1].log().mean()
    density = (base.weight.unsqueeze(-1) * base.scale.log()).sum(0).mean()
    return bool((posterior - density / 2).abs() < (posterior - density).abs())
