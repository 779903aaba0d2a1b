"""Are the gradients right, and does everything that should train receive one?"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from priory.testing import causes
from priory.testing.attributes import tensors_in_attributes
from priory.testing.report import Result, by_error, failed, passed, skipped
from priory.testing.seeding import seeded
from priory.testing.subject import Subject, recorded, score_at


def gradient_of_z(subject: Subject) -> Result:
    """The score agrees with finite differences, in double precision."""
    z = subject.points
    score = score_at(subject.p, z)
    step = 1e-6 * z.std(0)
    with torch.no_grad():
        slopes = [
            (subject.p.log_prob(z + e) - subject.p.log_prob(z - e)) / (2 * e.sum())
            for e in torch.diag(step)
        ]
    error = _relative(score, torch.stack(slopes, dim=-1))
    return by_error(error, 1e-4, "largest relative error", (causes.WRONG_GRADIENT,))


def gradient_of_parameters(subject: Subject) -> Result:
    """The gradient of every parameter agrees with finite differences along random directions."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    error, worst = 0.0, "no parameters"
    density = _density(prior, encoder, subject)
    for name, parameter in _trainable(prior, encoder):
        (gradient,) = torch.autograd.grad(density().sum(), parameter, allow_unused=True)
        for seed in range(3):
            with seeded(subject.seed + seed):
                direction = torch.randn_like(parameter)
            slope = _slope(density, parameter, 1e-6 * direction)
            claim = 0.0 if gradient is None else float((gradient * direction).sum())
            new = abs(claim - slope) / (1 + abs(slope))
            if not new <= error:
                error, worst = new, name
    if worst == "no parameters":
        return skipped("no parameters")
    guess = _why_blocked(subject) or (causes.WRONG_GRADIENT,)
    return by_error(error, 1e-4, f"largest relative error, of {worst}", guess)


def _slope(density: Callable[[], Tensor], parameter: Tensor, step: Tensor) -> float:
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            parameter.add_(sign * step)
            values.append(density())
        parameter.add_(step)
    return float((values[0] - values[1]).sum() / 2e-6)


def trainable(subject: Subject) -> Result:
    """Every parameter that claims to be trainable receives a gradient, not zero everywhere."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    hidden = [
        name for name, tensor in tensors_in_attributes(prior) if isinstance(tensor, nn.Parameter)
    ]
    if hidden:
        return failed(f"not among prior.parameters(): {', '.join(hidden)}", causes.PLAIN_CONTAINER)
    without = _without_gradient(prior, encoder, subject)
    if not without:
        return passed()
    return failed(f"no gradient: {', '.join(without)}", *_why_blocked(subject))


def _without_gradient(prior: nn.Module, encoder: nn.Module, subject: Subject) -> list[str]:
    """Return the names of the parameters without a gradient; the encoder's count as one."""
    log_p = _density(prior, encoder, subject)()
    named = list(_trainable(prior, encoder))
    if not log_p.requires_grad:
        gradients: list[Tensor | None] = [None] * len(named)
    else:
        gradients = list(
            torch.autograd.grad(
                log_p.square().sum(), [p for _, p in named], allow_unused=True
            )
        )
    dead = [
        name
        for (name, _), gradient in zip(named, gradients, strict=True)
        if gradient is None or not gradient.any()
    ]
    encoders = [name for name, _ in named if name.startswith("encoder: ")]
    if set(encoders) <= set(dead):
        uses = encoders and _influence(prior, encoder, subject, dict(named)[encoders[0]])
        return [n for n in dead if n not in encoders] + (["the encoder"] if uses else [])
    return [n for n in dead if n not in encoders]


def _why_blocked(subject: Subject) -> tuple[str, ...]:
    """Return why parameters receive no gradient: not used, detached, or behind a draw."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    without = _without_gradient(prior, encoder, subject)
    if "the encoder" in without:
        return (causes.ENCODER_DETACHED,)
    named = dict(_trainable(prior, encoder))
    found = []
    for name in without:
        if not _influence(prior, encoder, subject, named[name]):
            found.append(causes.UNUSED)
        elif _draws(prior, encoder):
            found.append(causes.DRAW_BLOCKS)
        else:
            found.append(causes.STEP_BLOCKS)
    return tuple(dict.fromkeys(found))


def border(subject: Subject) -> Result:
    """Pseudo-inputs that were driven past the border of their range still receive a gradient."""
    encoder = subject.new_encoder()
    prior = subject.new_prior()
    with recorded(encoder) as inputs:
        prior(encoder)
    if not inputs or not inputs[0].requires_grad:
        return skipped("the encoder is not called with anything that trains")
    named = list(prior.named_parameters())
    used = torch.autograd.grad(inputs[0].sum(), [p for _, p in named], allow_unused=True)
    dead, worst = 0.0, ""
    for (name, _), gradient in zip(named, used, strict=True):
        if gradient is None:
            continue
        for side in (-1, 1):
            moved = subject.new_prior()
            parameter = moved.get_parameter(name)
            with torch.no_grad():
                parameter.add_(side * 2 * parameter.abs().max().clamp(min=0.5))
            log_p = _density(moved, encoder, subject)()
            (gradient,) = torch.autograd.grad(log_p.square().sum(), parameter, allow_unused=True)
            share = 1.0 if gradient is None else float((gradient == 0).double().mean())
            if share >= dead:
                dead, worst = share, name
    return by_error(dead, 0.2, f"share of {worst} without a gradient", (causes.CLAMP,))


def extremes(subject: Subject) -> Result:
    """Nothing is NaN in single precision, at extreme values of parameters and far points."""
    z = subject.points.float()
    far = torch.cat([z, 1e3 * z, 1e6 * z])
    encoder = subject.new_encoder(torch.float32)
    for name in [None, *(name for name, _ in _direct_parameters(subject.new_prior()))]:
        for value in (-30.0, 30.0):
            prior = subject.new_prior(dtype=torch.float32)
            if name is not None:
                with torch.no_grad():
                    parameter = prior.get_parameter(name)
                    parameter[: (len(parameter) + 1) // 2 if parameter.dim() else None] = value
            where = f"with {name} at {value:g}" if name else "far from the mass"
            points = far.clone().requires_grad_(True)
            log_p = prior(encoder).log_prob(points)
            if log_p.isnan().any():
                return failed(f"log_prob is NaN {where}", causes.OVERFLOW)
            leaves = [points, *(p for p in prior.parameters() if p.requires_grad)]
            for gradient in torch.autograd.grad(log_p.sum(), leaves, allow_unused=True):
                if gradient is not None and gradient.isnan().any():
                    return failed(f"a gradient is NaN {where}", causes.OVERFLOW)
    return passed()


def _direct_parameters(prior: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Weights, means and scales; what a layer of torch.nn owns is none of these."""
    for prefix, module in prior.named_modules():
        container = isinstance(module, nn.ParameterList | nn.ParameterDict)
        if type(module).__module__.startswith("torch.nn") and not container:
            continue
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{prefix}.{name}" if prefix else name, parameter


def _trainable(prior: nn.Module, encoder: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    own = {id(parameter) for parameter in encoder.parameters()}
    for name, parameter in prior.named_parameters():
        if parameter.requires_grad and id(parameter) not in own:
            yield name, parameter
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            yield f"encoder: {name}", parameter


def _density(prior: nn.Module, encoder: nn.Module, subject: Subject) -> Callable[[], Tensor]:
    def density() -> Tensor:
        with seeded(subject.seed):  # a prior that draws draws the same every time
            value: Tensor = prior(encoder).log_prob(subject.points)
        return value

    return density


def _influence(
    prior: nn.Module, encoder: nn.Module, subject: Subject, parameter: Tensor
) -> bool:
    """Whether the density changes with a parameter, by a large step of either sign."""
    density = _density(prior, encoder, subject)
    with torch.no_grad(), seeded(subject.seed):
        before, kept = density(), parameter.clone()
        changed = False
        for _ in range(4):
            parameter.copy_(kept + 2 * torch.randn_like(kept))
            changed |= not torch.equal(before, density())
        parameter.copy_(kept)
    return changed


def _draws(prior: nn.Module, encoder: nn.Module) -> bool:
    """Whether calling the prior takes numbers from torch's generator."""
    with seeded(0):
        before = torch.random.get_rng_state()
        prior(encoder)
        return not torch.equal(before, torch.random.get_rng_state())


def _relative(actual: Tensor, expected: Tensor) -> float:
    return float(((actual - expected).abs() / (1 + expected.abs())).max())
