"""Statistics that claim to be exact agree with Monte Carlo."""

from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.distributions import Independent, Normal, kl_divergence

from priory.testing import causes, p_values
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_p_value, failed, inconclusive, skipped
from priory.testing.subject import Subject


def mean(subject: Subject) -> Result:
    """Check that `mean` is that of the samples."""
    return _against(subject, "mean", lambda: subject.p.mean, subject.draws)


def variance(subject: Subject) -> Result:
    """Check that `variance` is that of the samples."""
    z = subject.draws
    squares = (z - z.mean(0)).square() * (len(z) / (len(z) - 1))
    return _against(subject, "variance", lambda: subject.p.variance, squares)


def entropy(subject: Subject) -> Result:
    """Check that `entropy` is the mean of -log p over samples, or within `entropy_bounds`."""
    surprise = -subject.free.log_prob_at(subject.draws).unsqueeze(-1)
    if (bounds := getattr(subject.p, "entropy_bounds", None)) is not None:
        lower, upper = bounds()
        nearest = surprise.mean().clamp(lower, upper)
        p = p_values.of_means(surprise, nearest)
        return by_p_value(p, subject.level, "bounds, against Monte Carlo", (causes.CLAIM,))
    return _against(subject, "entropy", lambda: subject.p.entropy().unsqueeze(-1), surprise)


def kl(subject: Subject) -> Result:
    """Check that `kl_divergence(q, p)`, for a Gaussian q, is the mean of log q/p over q."""
    if subject.free.transform is not None:
        return skipped("a Gaussian leaves the support")
    z = subject.samples
    low, middle, high = z.quantile(torch.tensor([0.25, 0.5, 0.75]).to(z), dim=0)
    scale = (high - low) / 1.35
    q = Independent(Normal(middle + 0.3 * scale, 0.7 * scale), 1)
    with torch.no_grad(), seeded(subject.seed + 10):
        draws = q.sample(Size((len(z),)))
        rate = (q.log_prob(draws) - subject.free.log_prob(draws)).unsqueeze(-1)
    claim = lambda: kl_divergence(q, subject.p).unsqueeze(-1)  # noqa: E731
    return _against(subject, "kl_divergence(q, p)", claim, rate)


def _against(subject: Subject, name: str, claim: Callable[[], Tensor], values: Tensor) -> Result:
    if subject.free.circular.any() and name in ("mean", "variance"):
        return skipped("angles have moments on the circle")
    try:
        claimed = claim().detach().double()
    except NotImplementedError:
        return skipped(f"no {name} is claimed")
    if claimed.shape != values.shape[1:]:
        expected = tuple(values.shape[1:])
        return failed(f"expected {name} of shape {expected}, got {claimed.shape}", causes.CLAIM)
    heavy = p_values.skewed(values)
    if not (claimed.isfinite() | heavy).all():
        return failed(f"{name} is not finite, and the samples have one", causes.CLAIM)
    if heavy.all():
        return inconclusive(f"the tails are too heavy for an estimate of the {name}")
    p = p_values.of_means(values[:, ~heavy], claimed[~heavy])
    if p > subject.level and heavy.any():
        return inconclusive(f"some tails are too heavy for an estimate of the {name}")
    return by_p_value(p, subject.level, f"{name}, against Monte Carlo", (causes.CLAIM,))
