"""The sampler puts its samples where the density puts its mass."""

import math
from typing import cast

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily

from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.distributions.unflattened import UnflattenedDistribution
from priory.testing import causes, p_values
from priory.testing.diagnosis import why_sampler_differs
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_p_value, inconclusive, skipped
from priory.testing.subject import Subject


def binned_mass(subject: Subject) -> Result:
    """Check, in one and two dimensions, that samples fill a partition as the density does."""
    mass = subject.mass
    if not mass.axes:
        return skipped("for one and two dimensions")
    if mass.trouble or mass.error > 1e-3:
        return inconclusive(mass.trouble or "too narrow for the grid")
    bins = 64 if len(mass.axes) == 1 else 8
    observed, expected = _partition(subject.fresh_samples, mass.axes, mass.weight, bins)
    expected = expected / expected.sum() * observed.sum()
    small = expected < 10  # too few for the law of the statistic: pooled
    observed = torch.cat([observed[~small], observed[small].sum(0, keepdim=True)])
    expected = torch.cat([expected[~small], expected[small].sum(0, keepdim=True) + 1e-12])
    if float(expected[-1]) < 5:
        # What lies where nothing should is counted with its neighbours.
        observed = torch.cat([observed[:-2], observed[-2:].sum(0, keepdim=True)])
        expected = torch.cat([expected[:-2], expected[-2:].sum(0, keepdim=True)])
    statistic = float(((observed - expected).square() / expected).sum())
    p = p_values.of_chi_square(statistic, len(expected) - 1)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, f"chi-square of {len(expected)} bins", guess)


def _partition(
    z: Tensor, axes: tuple[Tensor, ...], weight: Tensor, bins: int
) -> tuple[Tensor, Tensor]:
    """Count samples and weigh mass in strips of equal mass, cut again along the second axis.

    Samples beyond the grid are counted in its outermost cells.
    """
    table = weight.reshape(len(axes[0]), -1)
    middles = [(axis[1:] + axis[:-1]) / 2 for axis in axes]
    index = [torch.bucketize(z[:, d].contiguous(), middle) for d, middle in enumerate(middles)]
    strip = _equal_parts(table.sum(1), bins)
    observed, expected = [], []
    for i in range(bins):
        rows = strip == i
        if not rows.any():
            continue
        inside = rows[index[0]]
        if len(axes) == 1:
            observed.append(inside.sum().reshape(1))
            expected.append(table[rows].sum().reshape(1))
            continue
        column = table[rows].sum(0)
        part = _equal_parts(column, bins)
        observed.append(torch.bincount(part[index[1][inside]], minlength=bins))
        expected.append(torch.zeros(bins, dtype=column.dtype).index_add(0, part, column))
    return torch.cat(observed).double(), torch.cat(expected).double()


def _equal_parts(mass: Tensor, parts: int) -> Tensor:
    """Return the part of each cell so that all parts have about the same mass."""
    below = mass.cumsum(0) - mass / 2
    return (below / mass.sum().clamp(min=1e-300) * parts).long().clamp(0, parts - 1)


def reciprocal(subject: Subject) -> Result:
    r"""Check that $E[g_j(z) / p(z)] = 1$ over samples, for a narrow density $g_j$ on each cluster.

    A mode that is drawn too often counts above one, one that is drawn too rarely below: this sees
    the weights of modes that lie apart, in any dimension.
    """
    z, pilot = subject.fresh_samples, subject.samples[:5000]
    with torch.no_grad():
        log_p, pilot_log_p = (subject.p.log_prob(x).double() for x in (z, pilot))
    columns = []
    clusters = subject.clusters
    for centre, covariance in zip(clusters.centre, clusters.covariance, strict=True):
        # The width is chosen on other samples than those that are judged.
        shrink = max(
            (0.35, 0.5, 0.7, 0.85, 1.0),
            key=lambda s: _effective_size(
                _gaussian(pilot, centre, s**2 * covariance) - pilot_log_p
            ),
        )
        log_ratio = _gaussian(z, centre, shrink**2 * covariance) - log_p
        if _effective_size(log_ratio) > 1000:
            columns.append(log_ratio.exp())
    if not columns or len(columns) < min(2, len(clusters.centre)):
        return inconclusive("effective sample size below 1000 on all clusters but one")
    p = p_values.of_means(torch.stack(columns, dim=-1), 1.0)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, f"reciprocal weights, {len(columns)} clusters", guess)


def _gaussian(z: Tensor, centre: Tensor, covariance: Tensor) -> Tensor:
    """Return the log-density of a Gaussian, `(n,)`."""
    floor = 1e-6 * covariance.diagonal().mean() * torch.eye(len(centre), dtype=centre.dtype)
    root = torch.linalg.cholesky(covariance + floor)
    white = torch.linalg.inv(root) @ (z - centre).T
    constant = root.diagonal().log().sum() + 0.5 * len(centre) * math.log(2 * math.pi)
    log_p: Tensor = -constant - 0.5 * white.square().sum(0)
    return log_p


def _effective_size(log_weight: Tensor) -> float:
    weight = (log_weight - log_weight.max()).exp()
    return float(weight.sum().square() / weight.square().sum())


def marginals(subject: Subject) -> Result:
    """Check that each coordinate follows its exact marginal, where the distribution knows it."""
    u = exact_marginals(subject.p, subject.fresh_samples)
    if u is None:
        return skipped("the distribution knows no exact marginals")
    p = p_values.of_uniform(u)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, "Kolmogorov-Smirnov of each coordinate", guess)


def exact_marginals(p: Distribution, z: Tensor) -> Tensor | None:
    r"""Return $F_l(z_l)$ for each coordinate, `(S, L)`, or nothing where it is not known."""
    try:
        match p:
            case UnflattenedDistribution():
                below = exact_marginals(p.flat, z.unsqueeze(-2))
                return None if below is None else below.squeeze(-2)
            case GaussianMixture() | FactorizedGaussianMixture():
                below = torch.special.ndtr((z.unsqueeze(-2) - p.loc) / p.scale)
                return cast(Tensor, (p.logits.exp().unsqueeze(-1) * below).sum(-2))
            case Independent(reinterpreted_batch_ndims=1):
                return cast(Tensor, p.base_dist.cdf(z))
            case MixtureSameFamily(component_distribution=Independent() as component):
                below = component.base_dist.cdf(z.unsqueeze(-2))
                return cast(Tensor, (p.mixture_distribution.probs.unsqueeze(-1) * below).sum(-2))
    except NotImplementedError:
        pass
    return None


def independent_draws(subject: Subject) -> Result:
    """Check that samples drawn one by one have the law of samples drawn together.

    A sampler that takes its components by their position in the batch passes every test of a batch.
    """
    n = 300
    with seeded(subject.seed + 6):
        alone = torch.stack([subject.p.sample(Size((1,)))[0] for _ in range(n)]).double()
    together = subject.samples[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    matrix = p_values.energy_matrix(alone, together)
    p = p_values.of_signs(matrix, subject.level, subject.seed + 7)
    note = "energy distance, one by one against together"
    return by_p_value(p, subject.level, note, (causes.BY_POSITION,))
