r"""The sampler follows the density's score.

The score $\nabla_z \log p$ needs no normalisation, and nearly none of it is left to chance: both
checks see wrong scales and wrong shapes in any dimension. They are blind to the weights of modes
that lie apart, between which the score says nothing.
"""

from torch import Tensor

from priory.testing import p_values
from priory.testing.diagnosis import why_sampler_differs
from priory.testing.results import Result, by_p_value, inconclusive
from priory.testing.subject import Subject, score_at


def stein_moments(subject: Subject) -> Result:
    r"""Check that $E[\nabla \log p] = 0$ and $E[z\, \nabla \log p^\top] = -I$ over samples."""
    z, score = subject.fresh_samples, subject.score
    if not score.isfinite().all():
        return inconclusive("the score is not finite at some samples")
    p = p_values.of_stein_moments(z, score)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, "Stein's identities for mean and covariance", guess)


def kernel_stein(subject: Subject) -> Result:
    """Check that the kernel Stein discrepancy is no larger than random signs make it.

    Reference:
        Gorham & Mackey, *Measuring Sample Quality with Kernels*, ICML 2017 (the inverse
        multiquadric kernel); Chwialkowski et al., *A Kernel Test of Goodness of Fit*, ICML 2016.
    """
    z = subject.fresh_samples[:400]
    score = score_at(subject.p, z)
    if not score.isfinite().all():
        return inconclusive("the score is not finite at some samples")
    matrix = stein_kernel(z, score)
    p = p_values.of_signs(matrix.fill_diagonal_(0), subject.level, subject.seed + 5)
    guess = why_sampler_differs(subject) if p <= subject.level else ()
    return by_p_value(p, subject.level, "kernel Stein discrepancy", guess)


def stein_kernel(z: Tensor, score: Tensor) -> Tensor:
    r"""Return the Stein kernel of $k(x, y) = (c^2 + |x - y|^2)^{-1/2}$, c the median distance."""
    gap = z.unsqueeze(1) - z.unsqueeze(0)
    squared = gap.square().sum(-1)
    base = squared + squared.flatten().median()
    along = ((score.unsqueeze(1) - score.unsqueeze(0)) * gap).sum(-1)
    return (
        (score @ score.T) / base**0.5 + (along + z.shape[1]) / base**1.5 - 3 * squared / base**2.5
    )
