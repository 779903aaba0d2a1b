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
from priory.testing.draws import dependence, training_differs
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_p_value, inconclusive, skipped
from priory.testing.subject import Subject, standard_error


def binned_mass(subject: Subject) -> Result:
    """Check, in one and two dimensions, that samples fill a partition as the density does.

    The bins are stretches of about the same mass of the curve through the cells of the grid, and,
    as a second statistic, the clusters, to which each point belongs by a share.
    """
    mass = subject.mass
    if mass.cells is None or mass.frame is None:
        return skipped("for one and two dimensions")
    if mass.trouble or mass.error > 1e-3:
        return inconclusive(mass.trouble or f"the mass of a bin is off by up to {mass.error:.2g}")
    bins, z = 64, subject.fresh_samples
    # As many as the errors of the grid, of all bins together, stay below chance for.
    most = min(10 * len(z), int(1 / (bins * max(mass.error, 1e-6) ** 2)))
    if most > len(z) and not standard_error(subject.p, subject.points).any():
        with seeded(subject.seed + 23):
            z = subject.free.to_free(subject.p.sample(Size((most,))).double())
    part = _equal_parts(mass.cells.mass, bins)
    expected = torch.zeros(bins, dtype=z.dtype).index_add(0, part, mass.cells.mass)
    observed = torch.bincount(part[mass.cells.holding(mass.frame.fold(z))], minlength=bins)
    p = 2 * min(_of_counts(observed.double(), expected), _of_shares(subject, z))
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(min(1.0, p), subject.level, f"chi-square of {bins} bins", guess)


def _of_counts(observed: Tensor, expected: Tensor) -> float:
    """Return the chi-square p-value of counts; bins with hardly any mass are one."""
    expected = expected / expected.sum() * observed.sum()
    small = expected < 10
    observed = torch.cat([observed[~small], observed[small].sum(0, keepdim=True)])
    expected = torch.cat([expected[~small], expected[small].sum(0, keepdim=True) + 1e-12])
    if float(expected[-1]) < 5 and len(expected) > 1:
        # What lies where nothing should is counted with its neighbours.
        observed = torch.cat([observed[:-2], observed[-2:].sum(0, keepdim=True)])
        expected = torch.cat([expected[:-2], expected[-2:].sum(0, keepdim=True)])
    statistic = float(((observed - expected).square() / expected).sum())
    return p_values.of_chi_square(statistic, max(1, len(expected) - 1))


def _of_shares(subject: Subject, z: Tensor) -> float:
    """Return the p-value that each cluster has the share of the samples that it has of the mass."""
    mass, clusters = subject.mass, subject.clusters
    if len(clusters.share) == 1:
        return 1.0
    inside = mass.weight > 1e-12
    weight = mass.weight[inside] / mass.weight[inside].sum()
    expected = weight @ clusters.joint(mass.u[inside]).softmax(-1)
    frequent = expected * len(z) > 50
    return p_values.of_means(clusters.joint(z).softmax(-1)[:, frequent], expected[frequent])


def _equal_parts(mass: Tensor, parts: int) -> Tensor:
    """Return the part of each cell so that all parts have about the same mass."""
    below = mass.cumsum(0) - mass / 2
    return (below / mass.sum().clamp(min=1e-300) * parts).long().clamp(0, parts - 1)


def reciprocal(subject: Subject) -> Result:
    r"""Check that $E[g_j(z) / p(z)] = 1$ over samples, for a narrow density $g_j$ on each cluster.

    A mode that is drawn too often counts above one, one that is drawn too rarely below: this sees
    the weights of modes that lie apart, in any dimension.
    """
    if subject.free.cut:
        return inconclusive("the density is zero in places that its support does not exclude")
    z, pilot, clusters = subject.fresh_samples, subject.samples[:5000], subject.clusters
    log_p, pilot_log_p = subject.free.log_prob(z), subject.free.log_prob(pilot)
    squared, pilot_squared = clusters.squared(z), clusters.squared(pilot)
    size, columns = z.shape[1], []
    for j in range(len(clusters.share)):
        constant = float(clusters.log_det[j]) + 0.5 * size * math.log(2 * math.pi)
        # The width is chosen on other samples than those that are judged.
        widths = (0.35, 0.5, 0.7, 0.85, 1.0)
        sizes = [
            _effective_size(-0.5 * pilot_squared[:, j] / width**2 - pilot_log_p) for width in widths
        ]
        shrink = widths[sizes.index(max(sizes))]
        log_ratio = -0.5 * squared[:, j] / shrink**2 - size * math.log(shrink) - constant - log_p
        ratio = log_ratio.exp().unsqueeze(-1)
        if _effective_size(log_ratio) > len(z) / 100 and not p_values.skewed(ratio):
            columns.append(ratio)
    if not columns or len(columns) < min(2, len(clusters.share)):
        return inconclusive("too few samples fit any Gaussian on more than one cluster of them")
    p = p_values.of_means(torch.cat(columns, dim=-1), 1.0)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, f"reciprocal weights, {len(columns)} clusters", guess)


def _effective_size(log_weight: Tensor) -> float:
    weight = (log_weight - log_weight.max()).exp()
    return float(weight.sum().square() / weight.square().sum())


def marginals(subject: Subject) -> Result:
    """Check that each coordinate follows its exact marginal, where the distribution knows it."""
    u = exact_marginals(subject.p, subject.draws)
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
    """Check that samples have the law of those drawn one by one, and do not depend on one another.

    A sampler that takes its components by their position in the batch passes every test of a batch,
    and so does one that returns each draw twice, with its mirror image, or along a dimension of
    `sample_shape` the same.
    """
    n = 300
    with seeded(subject.seed + 6):
        alone = torch.stack([subject.p.sample(Size((1,)))[0] for _ in range(n)]).double()
    together = subject.samples[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    matrix = p_values.energy_matrix(subject.free.to_free(alone), together)
    p = 2 * p_values.of_signs(matrix, subject.level / 2, subject.seed + 7)
    if p <= subject.level:
        note = "energy distance, one by one against together"
        return by_p_value(p, subject.level, note, (causes.BY_POSITION,))
    pairs = dependence(subject)
    p = min(1.0, p, 2 * pairs.p)
    return by_p_value(p, subject.level, "correlations of pairs of draws", (pairs.cause,))


def training_samples(subject: Subject) -> Result:
    """Check that training and evaluation mode draw the same samples from the same seed, or law."""
    p = training_differs(subject)
    note = "Kolmogorov-Smirnov, training against evaluation mode"
    return by_p_value(p, subject.level, note, (causes.MODE_SAMPLER,))
