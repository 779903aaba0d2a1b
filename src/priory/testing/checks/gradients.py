"""Gradients are right."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from priory.testing import causes
from priory.testing.checks.training import density_at_points, trainable_parameters, why_blocked
from priory.testing.free import score_at
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, skipped
from priory.testing.subject import Subject, standard_error


def gradient_of_z(subject: Subject) -> Result:
    """Check that the score agrees with finite differences in double precision, in both modes."""
    u = subject.free.to_free(subject.points)
    member = subject.clusters.member(u)
    step = 1e-5 * subject.clusters.root.square().sum(-1).sqrt()[member]  # (P, D)
    for training in (False, True):
        density = replace(subject.free, p=subject.new_distribution(training=training))
        score = score_at(density.with_gradient, u)
        slopes = []
        for d in range(u.shape[1]):
            ahead, behind = u.clone(), u.clone()
            ahead[:, d] += step[:, d]
            behind[:, d] -= step[:, d]
            change = density.log_prob(ahead) - density.log_prob(behind)
            slopes.append(change / (ahead - behind)[:, d])
        slope = torch.stack(slopes, dim=-1)
        # Of large densities a small difference is known to fewer digits.
        noise = 1e-15 * density.log_prob(u).abs().unsqueeze(-1) / step
        error = float((((score - slope).abs() - noise).clamp(min=0) / (1 + slope.abs())).max())
        if training:
            # Draws that differ between modes are seen elsewhere, and move no point.
            error = error if not standard_error(density.p, subject.points).any() else 0.0
        if not error <= 1e-4:
            lost = float((score[slope.abs() > 1e-3] == 0).double().mean()) > 0.2
            guess = causes.Z_DETACHED if lost else _why_wrong(subject)
            mode = "training" if training else "evaluation"
            return by_error(error, 1e-4, f"largest relative error, in {mode} mode", (guess,))
    return by_error(error, 1e-4, "largest relative error")


def gradient_of_parameters(subject: Subject) -> Result:
    """Check that the gradient of every parameter agrees with finite differences."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    errors: list[tuple[float, str]] = []
    density = density_at_points(prior, encoder, subject)
    for name, parameter in trainable_parameters(prior, encoder):
        log_p = density()
        gradient = None
        if log_p.requires_grad:
            (gradient,) = torch.autograd.grad(log_p.sum(), parameter, allow_unused=True)
        for seed in range(3):
            with seeded(subject.seed + seed):
                direction = torch.randn_like(parameter)
            slope = _slope(density, parameter, 1e-6 * direction)
            if slope is None:
                break
            claim = 0.0 if gradient is None else float((gradient * direction).sum())
            # Of large densities a small difference is known to fewer digits.
            noise = 1e-15 * float(log_p.detach().abs().sum()) / 1e-6
            error = max(0.0, abs(claim - slope) - noise) / (1 + abs(slope))
            errors.append((math.inf if math.isnan(claim - slope) else error, name))
    if not errors:
        return skipped("no parameters")
    error, worst = max(errors)
    if error > 1e-4 and standard_error(subject.p, subject.points).any():
        note = "an estimate from draws that move with the parameters, unseen by differences"
        return skipped(note)
    guess = why_blocked(subject) or (_why_wrong(subject),)
    return by_error(error, 1e-4, f"largest relative error, of {worst}", guess)


def _slope(density: Callable[[], Tensor], parameter: Tensor, step: Tensor) -> float | None:
    """Return the slope by central differences; none where the prior rejects a small step."""
    kept = parameter.detach().clone()
    with torch.no_grad():
        try:
            ahead = _with(parameter, kept + step, density)
            behind = _with(parameter, kept - step, density)
        except (RuntimeError, ValueError):
            return None
        finally:
            parameter.copy_(kept)
    return float((ahead - behind).sum() / 2e-6)


def _with(parameter: Tensor, value: Tensor, density: Callable[[], Tensor]) -> Tensor:
    parameter.copy_(value)
    return density()


def _why_wrong(subject: Subject) -> str:
    """Tell a density in single precision, blind to a small step, from a wrong gradient."""
    z = subject.points
    unseen = subject.p.log_prob(z * (1 + 1e-10)) == subject.p.log_prob(z)
    return causes.SINGLE if float(unseen.double().mean()) > 0.5 else causes.WRONG_GRADIENT
