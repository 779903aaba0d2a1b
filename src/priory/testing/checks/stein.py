r"""The sampler follows the density's score.

The score $\nabla_z \log p$ needs no normalisation, and nearly none of it is left to chance: both
checks see wrong scales and wrong shapes in any dimension. They are blind to the weights of modes
that lie apart, between which the score says nothing.
"""

import math

from torch import Tensor

from priory.testing import p_values
from priory.testing.diagnosis import why_sampler_differs
from priory.testing.results import Result, by_p_value, inconclusive
from priory.testing.stein_moments import of_stein_moments
from priory.testing.subject import Subject


def stein_moments(subject: Subject) -> Result:
    r"""Check that $E[f \cdot \nabla \log q + \nabla \cdot f] = 0$ over samples.

    The fields f are bounded, so that no tail is too heavy for a mean: near each cluster, with w the
    coordinates in which it is standard and $g = (1 + |w|^2 / D)^{-2}$, they are $g e_k$ (the mean),
    $g w_k e_k$ in these axes and in axes turned at random (the covariance), and $g w$ (the width).
    """
    z, score = subject.fresh_samples, subject.score
    if trouble := _why_no_identity(subject, score):
        return inconclusive(trouble)
    p = of_stein_moments(z, score, subject.clusters, subject.seed)
    if math.isnan(p):
        return inconclusive("a few samples decide every mean of the score")
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, "Stein's identities for mean and covariance", guess)


def kernel_stein(subject: Subject) -> Result:
    """Check that the kernel Stein discrepancy is no larger than random signs make it.

    Reference:
        Gorham & Mackey, *Measuring Sample Quality with Kernels*, ICML 2017 (the inverse
        multiquadric kernel); Chwialkowski et al., *A Kernel Test of Goodness of Fit*, ICML 2016.
    """
    z = subject.fresh_samples[:400]
    score = subject.score[:400]
    if trouble := _why_no_identity(subject, score):
        return inconclusive(trouble)
    matrix = stein_kernel(z - z.median(0).values, score)
    p = p_values.of_signs(matrix.fill_diagonal_(0), subject.level, subject.seed + 5)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, "kernel Stein discrepancy", guess)


def _why_no_identity(subject: Subject, score: Tensor) -> str:
    """Say why the score need not have mean zero, or nothing."""
    if subject.free.cut:
        return "the density is zero in places that its support does not exclude"
    return "" if score.isfinite().all() else "the score is not finite at some samples"


def stein_kernel(z: Tensor, score: Tensor) -> Tensor:
    r"""Return the Stein kernel of $k(x, y) = (c^2 + |x - y|^2)^{-1/2}$, c the median distance."""
    product = z @ z.T
    square = product.diagonal()
    squared = (square + square.unsqueeze(-1) - 2 * product).clamp(min=0)
    base = squared + squared.flatten().median()
    cross = z @ score.T
    both = cross.diagonal()
    along = both + both.unsqueeze(-1) - cross - cross.T
    return (
        (score @ score.T) / base**0.5 + (along + z.shape[1]) / base**1.5 - 3 * squared / base**2.5
    )
