"""What holds for one holds for a batch: `expand`, closed forms, and draws with a gradient."""

from collections.abc import Callable, Sequence

import torch
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from priory.testing import causes, p_values
from priory.testing.checks.training import trainable_parameters
from priory.testing.draws import law_differs
from priory.testing.p_values import seeded
from priory.testing.results import (
    Result,
    by_error,
    by_p_value,
    failed,
    first_line,
    relative_error,
    skipped,
)
from priory.testing.subject import Subject

CLAIMS: dict[str, Callable[[Distribution], Tensor]] = {
    "mean": lambda p: p.mean,
    "variance": lambda p: p.variance,
    "entropy": lambda p: p.entropy(),
}
"""The closed forms that a distribution may have."""


def expand(subject: Subject) -> Result:
    """Check that `expand` gives the same distribution, with the batch shape that is asked for."""
    error = 0.0
    for batch in ((3,), (2, 3)):
        try:
            wide = subject.p.expand(Size(batch))
        except NotImplementedError:
            return skipped("the distribution has no expand")
        except Exception as problem:  # whatever it raises is an answer
            return failed(f"{type(problem).__name__}: {first_line(problem)}", causes.EXPAND)
        if trouble := _wrong_shape(wide, batch, subject.points):
            return failed(trouble, causes.EXPAND)
        z = subject.points.reshape(-1, *batch, subject.points.shape[-1])
        error = max(error, relative_error(wide.log_prob(z), subject.p.log_prob(z)))
        with seeded(subject.seed + 11):
            rows = wide.sample(Size((200,))).flatten(0, -2)
        if len(rows.unique(dim=0)) < 0.98 * len(rows):
            return failed("the members of an expanded batch share draws", causes.EXPAND)
    return by_error(error, 1e-9, "largest relative difference of densities", (causes.EXPAND,))


def _wrong_shape(wide: Distribution, batch: tuple[int, ...], points: Tensor) -> str:
    """Say which shape of an expanded distribution is not as its batch has it, or nothing."""
    event = tuple(points.shape[-1:])
    shapes = {
        "the batch shape": (wide.batch_shape, batch),
        "the event shape": (wide.event_shape, event),
        "a sample": (wide.sample().shape, (*batch, *event)),
        "several samples": (wide.sample(Size((5,))).shape, (5, *batch, *event)),
        "log_prob": (wide.log_prob(points[0]).shape, batch),
    }
    for name, (got, wanted) in shapes.items():
        if got != wanted:
            return f"expected {name} to be {wanted} after expand({batch}), got {tuple(got)}"
    return ""


def batch_claims(subject: Subject) -> Result:
    """Check that mean, variance, entropy and kl_divergence of a batch are those of its members."""
    p, answers = subject.p, list[tuple[str, float]]()
    try:
        wide = p.expand(Size((3,)))
        claims = [difference(name, wide, [p, p, p]) for name in CLAIMS]
        answers += [claim for claim in claims if claim is not None]
    except NotImplementedError:
        pass
    u = subject.fresh_samples
    if subject.free.transform is None:
        scale = (u.quantile(0.75, dim=0) - u.quantile(0.25, dim=0)) / 1.35
        loc = u[:3]
        try:
            batch = kl_divergence(Independent(Normal(loc, scale.expand_as(loc)), 1), p)
            alone = [kl_divergence(Independent(Normal(row, scale), 1), p) for row in loc]
            answers.append(("kl_divergence", relative_error(batch, torch.stack(alone))))
        except NotImplementedError:
            pass
    if not answers:
        return skipped("no closed form is claimed for a batch")
    name, error = max(answers, key=lambda answer: answer[1])
    return by_error(error, 1e-6, f"largest relative difference, of {name}", (causes.BATCH_CLAIM,))


def difference(
    name: str, batch: Distribution, members: Sequence[Distribution]
) -> tuple[str, float] | None:
    """Return how far a closed form of a batch is from those of its members; nothing without one."""
    claim = CLAIMS[name]
    try:
        ours, theirs = claim(batch), torch.stack([claim(member) for member in members])
    except NotImplementedError:
        return None
    if not theirs.isfinite().all():
        return None
    return name, relative_error(ours.detach(), theirs.detach())


def rsample(subject: Subject) -> Result:
    r"""Check that `rsample` has the law of `sample`, and moves as the density does.

    For bounded h, the mean of $\nabla_\theta h(z(\theta))$ over draws is that of
    $h(z) \nabla_\theta \log p_\theta(z)$: pathwise and score-function gradients agree.
    """
    if not getattr(subject.p, "has_rsample", False):
        return skipped("the distribution has no rsample")
    n = subject.num_samples
    with torch.no_grad(), seeded(subject.seed + 2):
        z = subject.p.rsample(Size((n,))).double()
    if z.shape != subject.draws.shape:
        return failed(f"expected {tuple(subject.draws.shape)}, got {z.shape}", causes.RSAMPLE_LAW)
    p = 1.0 if torch.equal(z, subject.draws) else 2 * law_differs(subject, z)
    if p <= subject.level:
        note = "Kolmogorov-Smirnov, rsample against sample"
        return by_p_value(p, subject.level, note, (causes.RSAMPLE_LAW,))
    value, name = (1.0, "") if subject.free.cut else _gradient_differs(subject)
    if name:
        p = min(1.0, p, 2 * value)
    note = f"pathwise against score-function gradient of {name}" if name else "law of rsample"
    return by_p_value(p, subject.level, note, (causes.RSAMPLE_GRADIENT,))


def _gradient_differs(subject: Subject) -> tuple[float, str]:
    """Return the p-value that both gradients agree, and the parameter with the least."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    with seeded(subject.seed + 12):
        z = prior(encoder).rsample(Size((4000,)))
    u = subject.fresh_samples
    middle, width = u.median(0).values, u.quantile(0.75, dim=0) - u.quantile(0.25, dim=0)
    values = _bounded(subject, (subject.free.to_free(z) - middle) / width)
    named = list(trainable_parameters(prior, encoder))[:16]
    least, worst = 1.0, ""
    for name, parameter in named:
        with seeded(subject.seed + 13):
            direction = torch.randn_like(parameter)
        score = _score_along(subject, name, direction, z.detach())
        if score is None:
            continue
        pathwise = [_along(column, parameter, direction) for column in values.T]
        if any(each is None for each in pathwise):
            continue
        centred = values.detach() - values.detach().mean(0)
        gaps = torch.stack(
            [each for each in pathwise if each is not None], dim=-1
        ) - centred * score.unsqueeze(-1)
        if not gaps.isfinite().all() or p_values.skewed(gaps).any():
            continue
        p = p_values.of_means(gaps, 0.0) * len(named)
        least, worst = (p, name) if p < least or not worst else (least, worst)
    return least, worst


def _bounded(subject: Subject, v: Tensor) -> Tensor:
    """Return bounded functions of standardised draws, `(n, 8)`, along four directions."""
    with seeded(subject.seed + 14):
        along = torch.randn(v.shape[1], 4, dtype=v.dtype)
    waves = torch.tanh(v @ (along / along.norm(dim=0)))
    return torch.cat([waves, waves.square()], dim=-1)


def _along(values: Tensor, parameter: Tensor, direction: Tensor) -> Tensor | None:
    """Return the derivative of each value along a direction of a parameter, `(n,)`.

    There is none where torch cannot say it of each: a backward pass that has none of its own.
    """
    still = torch.zeros_like(values.detach())
    if not values.requires_grad:
        return still
    weight = torch.ones_like(still, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        (weight * values).sum(), parameter, create_graph=True, allow_unused=True
    )
    if gradient is None:
        return still
    if not gradient.requires_grad:
        return None
    (each,) = torch.autograd.grad((gradient * direction).sum(), weight, allow_unused=True)
    return each


def _score_along(subject: Subject, name: str, direction: Tensor, z: Tensor) -> Tensor | None:
    """Return the derivative of log p(z) along a direction of a parameter, by differences, `(n,)`.

    There is none where the support moves with the parameter.
    """
    step, values, supports = 1e-6, [], []
    for side in (1, -1):
        prior, encoder = subject.new_prior(), subject.new_encoder()
        parameter = dict(trainable_parameters(prior, encoder))[name]
        with torch.no_grad():
            parameter.add_(side * step * direction)
            with seeded(subject.seed + 12):
                p = prior(encoder)
            try:
                values.append(torch.cat([p.log_prob(part) for part in z.split(1000)]))
                supports.append(p.support)
            except (NotImplementedError, ValueError):
                return None
    bounds = [_bounds(support) for support in supports]
    if any(not torch.equal(a, b) for a, b in zip(*bounds, strict=True)):
        return None
    return (values[0] - values[1]) / (2 * step)


def _bounds(support: object) -> list[Tensor]:
    """Return the numbers that a constraint holds."""
    inner = getattr(support, "base_constraint", None)
    numbers = [] if inner is None else _bounds(inner)
    for name in ("lower_bound", "upper_bound"):
        if (bound := getattr(support, name, None)) is not None:
            numbers.append(torch.as_tensor(bound))
    return numbers
