"""Why samples and a density disagree."""

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from priory.distributions import loc_and_scale
from priory.testing import causes
from priory.testing.clusters import Clusters, cluster
from priory.testing.draws import dependence, training_differs
from priory.testing.mixture_fit import MixtureFit, fit_mixture
from priory.testing.p_values import of_chi_square, of_two_samples, of_uniform, seeded
from priory.testing.results import relative_error
from priory.testing.stein_moments import of_stein_moments
from priory.testing.subject import Subject, recorded


def why_not_normalised(subject: Subject) -> tuple[str, ...]:
    """Return the causes that fit an integral that is not one.

    A wrong constant leaves the score right; wrong weights do so too, and the integral then moves
    with the parameters; a wrong log-determinant changes the score.
    """
    if (
        of_stein_moments(subject.fresh_samples, subject.score, subject.clusters, subject.seed)
        < 1e-6
    ):
        return causes.LOG_DET, causes.WRONG_DENSITY
    other = replace(subject, seed=subject.seed + 500)
    if abs(math.log(other.mass.total / subject.mass.total)) < 0.01:
        return (causes.CONSTANT,)
    if _level_moves(subject):
        return causes.WEIGHTS_UNNORMALISED, causes.LOG_DET
    return causes.LOG_DET, causes.WEIGHTS_UNNORMALISED


def _level_moves(subject: Subject) -> bool:
    """Whether some parameter, all of it moved or stretched, moves log p by a constant."""
    z = subject.points
    for name, _ in subject.new_prior().named_parameters():
        for factor, offset in ((1.0, 0.1), (1.1, 0.0)):
            prior = subject.new_prior().requires_grad_(False).eval()
            parameter = prior.get_parameter(name)
            parameter.mul_(factor).add_(offset)
            with seeded(subject.seed):
                moved = prior(subject.new_encoder()).log_prob(z) - subject.p.log_prob(z)
            if moved.abs().min() > 1e-6 and moved.std() < 1e-6 * moved.abs().max():
                return True
    return False


@lru_cache(maxsize=8)
def why_sampler_differs(subject: Subject) -> tuple[str, ...]:
    """Return the causes that fit how samples differ from what the density would draw."""
    if not _same_marginals(subject.samples, subject.fresh_samples):
        return (causes.BY_POSITION,)
    if (pairs := dependence(subject)).p <= subject.level:
        return (pairs.cause,)
    if training_differs(subject) <= subject.level:
        return (causes.MODE_SAMPLER,)
    if _factorises(subject) and _has_its_marginals(subject):
        return (causes.LOG_SUM_EXP,)
    if not subject.mass.weight.isfinite().all():
        return _unknown(subject)
    z, right = subject.fresh_samples, subject.mass.draw(subject.num_samples, subject.seed + 8)
    if _squashed(z, right):
        return (causes.SQUASHED,)
    if subject.mass.trouble and (subject.mass.cells is not None or subject.mass.size < 500):
        return _unknown(subject)
    gap = abs(subject.mass.total - 1)
    if not subject.mass.trouble and gap > 0.01 + 5 * subject.mass.error:
        return why_not_normalised(subject)
    jointly = _why_only_jointly(subject, z, right)
    return _changed_components(subject, z, right) if jointly is None else (jointly,)


def _unknown(subject: Subject) -> tuple[str, ...]:
    """Return what may be wrong where nothing else tells; of weights alone the score says little."""
    p = of_stein_moments(subject.fresh_samples, subject.score, subject.clusters, subject.seed)
    if p > 1e-3:
        return causes.WEIGHTS_IGNORED, causes.SCALE_OTHER, causes.SHIFTED
    return causes.SCALE_OTHER, causes.WEIGHTS_IGNORED, causes.SHIFTED


def _squashed(z: Tensor, right: Tensor) -> bool:
    """Whether the samples fill (-1, 1) or (0, 1) while the density has mass beyond."""
    low, high = float(z.min()), float(z.max())
    fills = 0.9 < high <= 1 and (-1 <= low < -0.9 or 0 <= low < 0.1)
    return fills and float(((right < low) | (right > high)).double().mean()) > 0.01


def _factorises(subject: Subject) -> bool:
    """Whether log p is a sum over dimensions: exchanging a coordinate of two points is free."""
    if subject.free.transform is not None:
        return False
    a, b = subject.points[::2], subject.points[1::2]
    for d in range(a.shape[1]):
        mixed_a, mixed_b = a.clone(), b.clone()
        mixed_a[:, d], mixed_b[:, d] = b[:, d], a[:, d]
        before, after = (
            subject.free.log_prob(x) + subject.free.log_prob(y)
            for x, y in ((a, b), (mixed_a, mixed_b))
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
        below = subject.free.log_prob(line).softmax(0).cumsum(0)
        u = below[torch.searchsorted(axis, z[:, d].contiguous())]
        if of_uniform(u.unsqueeze(-1)) < 1e-6:
            return False
    return True


def _same_marginals(z: Tensor, other: Tensor) -> bool:
    """Whether no coordinate differs in law."""
    return of_two_samples(z, other) > 1e-5


def _why_only_jointly(subject: Subject, z: Tensor, right: Tensor) -> str | None:
    """Name the fault of samples whose coordinates are right by themselves; nothing if not so."""
    if z.shape[1] == 1 or not _same_marginals(z, right):
        return None
    if _independent(z) and not _independent(right):
        return causes.COMPONENT_PER_DIMENSION
    samples, density = (_correlation(cluster(x, subject.seed)) for x in (z, right))
    return causes.SHARED_NOISE if samples > density + 0.3 else None


def _independent(z: Tensor) -> bool:
    """Whether neighbouring coordinates look independent, by a chi-square of their quantiles."""
    n, bins = len(z), 8
    part = z.argsort(0).argsort(0) * bins // n  # the quantile of each coordinate
    for d in range(z.shape[1] - 1):
        cells = torch.bincount(part[:, d] * bins + part[:, d + 1], minlength=bins**2)
        chi_square = float((cells - n / bins**2).square().sum()) * bins**2 / n
        if of_chi_square(chi_square, (bins - 1) ** 2) < 1e-6:
            return False
    return True


def _correlation(clusters: Clusters) -> float:
    """Return the mean size of the correlations inside clusters."""
    covariance = clusters.root @ clusters.root.mT
    scale = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    size = covariance.shape[-1]
    each = (covariance / scale.unsqueeze(-1) / scale.unsqueeze(-2)).abs().sum((-1, -2)) - size
    return float(clusters.share @ each) / (size * (size - 1))


def _changed_components(subject: Subject, z: Tensor, right: Tensor) -> tuple[str, ...]:
    """Fit a mixture to the density's draws; say which one change to it explains the samples."""
    base = fit_mixture(right, subject.seed)
    count, n = len(base.weight), len(z)
    explanations = [
        (causes.WEIGHTS_IGNORED, base.refitted(z, "weight"), count - 1),
        (causes.SHIFTED, base.refitted(z, "loc"), count * z.shape[1]),
        (causes.SCALE_SQUARED, base.with_power(2.0), 0),
        (causes.SCALE_ROOT, base.with_power(0.5), 0),
        (causes.SCALE_OTHER, base.rescaled(z), 1),
        (causes.SCALE_OTHER, base.refitted(z, "scale"), count * z.shape[1]),
    ]
    # What is gained in likelihood, less what as many free parameters gain by chance.
    gains = [fit.log_likelihood(z) - parameters / n for _, fit, parameters in explanations]
    gains = [gain - base.log_likelihood(z) for gain in gains]
    if max(gains) < 2e-4:
        return _unknown(subject)
    row = gains.index(max(gains))
    simple = max(range(2, 5), key=lambda other: gains[other])
    if row == 5 and gains[simple] > 0.5 * gains[row]:
        row = simple  # one number tells most of what scales of each component tell
    best, fit, _ = explanations[row]
    if best == causes.SCALE_ROOT:
        read = _density_is_the_wrong_one(subject, base)
        return (causes.SCALE_READ, causes.SCALE_ROOT)[:: 1 if read else -1]
    never = (fit.weight < 0.1 * base.weight) & (base.weight > 0.01)
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
