"""Statistics that claim to be exact agree with Monte Carlo."""

from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.distributions import Independent, Normal, kl_divergence

from priory.testing import causes, p_values
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_p_value, skipped
from priory.testing.subject import Subject


def mean(subject: Subject) -> Result:
    """Check that `mean` is that of the samples."""
    return _against(subject, "mean", lambda: subject.p.mean, subject.fresh_samples)


def variance(subject: Subject) -> Result:
    """Check that `variance` is that of the samples."""
    z = subject.fresh_samples
    squares = (z - z.mean(0)).square() * (len(z) / (len(z) - 1))
    return _against(subject, "variance", lambda: subject.p.variance, squares)


def entropy(subject: Subject) -> Result:
    """Check that `entropy` is the mean of -log p over samples, or within `entropy_bounds`."""
    with torch.no_grad():
        surprise = -subject.p.log_prob(subject.fresh_samples).double().unsqueeze(-1)
    if (bounds := getattr(subject.p, "entropy_bounds", None)) is not None:
        lower, upper = bounds()
        nearest = surprise.mean().clamp(lower, upper)
        p = p_values.of_means(surprise, nearest)
        return by_p_value(p, subject.level, "bounds, against Monte Carlo", (causes.CLAIM,))
    return _against(subject, "entropy", lambda: subject.p.entropy(), surprise)


def kl(subject: Subject) -> Result:
    """Check that `kl_divergence(q, p)`, for a Gaussian q, is the mean of log q/p over q."""
    z = subject.samples
    q = Independent(Normal(z.mean(0) + 0.3, 0.7 * z.std(0)), 1)
    with torch.no_grad(), seeded(subject.seed + 10):
        draws = q.sample(Size((len(z),)))
        rate = (q.log_prob(draws) - subject.p.log_prob(draws)).double().unsqueeze(-1)
    return _against(subject, "kl_divergence(q, p)", lambda: kl_divergence(q, subject.p), rate)


def _against(subject: Subject, name: str, claim: Callable[[], Tensor], values: Tensor) -> Result:
    try:
        claimed = claim().detach().double()
    except NotImplementedError:
        return skipped(f"no {name} is claimed")
    p = p_values.of_means(values, claimed)
    return by_p_value(p, subject.level, f"{name}, against Monte Carlo", (causes.CLAIM,))
