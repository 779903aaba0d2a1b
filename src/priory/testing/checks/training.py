"""Everything that should train receives a gradient."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from priory.testing import causes
from priory.testing.attributes import held_in_attributes
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, failed, inconclusive, passed, skipped
from priory.testing.subject import Subject, recorded

ENCODER = "encoder: "


def trainable(subject: Subject) -> Result:
    """Check that every trainable parameter receives a gradient that is not zero everywhere."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    held = held_in_attributes(prior, Tensor)
    hidden = [name for name, tensor in held if isinstance(tensor, nn.Parameter)]
    if hidden:
        return failed(f"not among prior.parameters(): {', '.join(hidden)}", causes.PLAIN_CONTAINER)
    without = _without_gradient(prior, encoder, subject)
    if not without:
        return passed()
    if subject.free.cut:
        return inconclusive(f"inside the support there is no gradient: {', '.join(without)}")
    return failed(f"no gradient: {', '.join(without)}", *why_blocked(subject))


def _without_gradient(prior: nn.Module, encoder: nn.Module, subject: Subject) -> list[str]:
    """Return the names of the parameters without a gradient; the encoder's count as one."""
    named = dict(trainable_parameters(prior, encoder))
    log_p = density_at_points(prior, encoder, subject)()
    gradients: Sequence[Tensor | None] = [None] * len(named)
    if log_p.requires_grad:
        # Squared, because the mean of log p alone is blind to what moves mass around.
        gradients = torch.autograd.grad(log_p.square().sum(), [*named.values()], allow_unused=True)
    dead = [
        name
        for (name, parameter), gradient in zip(named.items(), gradients, strict=True)
        if (gradient is None or not gradient.any()) and not _weights_of_one(parameter, gradient)
    ]
    theirs = [n for n in named if n.startswith(ENCODER)]
    blocked = set(theirs) <= set(dead) and any(
        _has_influence(prior, encoder, subject, named[n]) for n in theirs
    )
    return [n for n in dead if n not in theirs] + ["the encoder"] * blocked


def _weights_of_one(parameter: Tensor, gradient: Tensor | None) -> bool:
    """Whether a parameter may be the weight of a single component, which is one whatever it is."""
    return gradient is not None and parameter.dim() > 0 and parameter.shape[-1] == 1


def why_blocked(subject: Subject) -> tuple[str, ...]:
    """Return why parameters receive no gradient: unused, detached, or behind a draw or a step."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    without = _without_gradient(prior, encoder, subject)
    if "the encoder" in without:
        return (causes.ENCODER_DETACHED,)
    named = dict(trainable_parameters(prior, encoder))
    blocks = causes.DRAW_BLOCKS if _draws(prior, encoder, subject) else causes.STEP_BLOCKS
    used = (_has_influence(prior, encoder, subject, named[name]) for name in without)
    return tuple(dict.fromkeys(blocks if use else causes.UNUSED for use in used))


def border(subject: Subject) -> Result:
    """Check that pseudo-inputs driven past the border of their range still receive a gradient."""
    encoder = subject.new_encoder()
    prior = subject.new_prior()
    with recorded(encoder) as inputs:
        prior(encoder)
    if not inputs or not inputs[0].requires_grad:
        return skipped("the encoder is not called with anything that trains")
    named = list(prior.named_parameters())
    used = torch.autograd.grad(inputs[0].sum(), [p for _, p in named], allow_unused=True)
    dead, worst = 0.0, ""
    for (name, start), reached in zip(named, used, strict=True):
        if reached is None:
            continue
        log_p = density_at_points(prior, encoder, subject)()
        (before,) = torch.autograd.grad(log_p.square().sum(), start, allow_unused=True)
        # What belongs to other labels than the one that is given has no gradient anywhere.
        live = torch.ones_like(start).bool() if before is None or not before.any() else before != 0
        for side in (-1, 1):
            moved = subject.new_prior()
            parameter = moved.get_parameter(name)
            with torch.no_grad():
                parameter.add_(side * 2 * parameter.abs().max().clamp(min=0.5))
            log_p = density_at_points(moved, encoder, subject)()
            (gradient,) = torch.autograd.grad(log_p.square().sum(), parameter, allow_unused=True)
            share = 1.0 if gradient is None else float((gradient[live] == 0).double().mean())
            if share >= dead:
                dead, worst = share, name
    return by_error(dead, 0.2, f"share of {worst} without a gradient", (causes.CLAMP,))


def trainable_parameters(
    prior: nn.Module, encoder: nn.Module
) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of the prior, and then of the encoder as `encoder: name`."""
    encoder_ids = {id(parameter) for parameter in encoder.parameters()}
    for name, parameter in prior.named_parameters():
        if parameter.requires_grad and id(parameter) not in encoder_ids:
            yield name, parameter
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            yield f"{ENCODER}{name}", parameter


def density_at_points(
    prior: nn.Module, encoder: nn.Module, subject: Subject
) -> Callable[[], Tensor]:
    """Return a function of nothing: the density of the points, by a new call of the prior."""

    def density() -> Tensor:
        with seeded(subject.seed):  # a prior that draws draws the same every time
            value: Tensor = prior(encoder).log_prob(subject.points)
        return value

    return density


def _has_influence(
    prior: nn.Module, encoder: nn.Module, subject: Subject, parameter: Tensor
) -> bool:
    """Whether the density changes, or is refused, when a parameter makes a large step."""
    density = density_at_points(prior, encoder, subject)
    before, kept = density().detach(), parameter.detach().clone()
    with torch.no_grad(), seeded(subject.seed):
        try:
            for _ in range(4):
                parameter.copy_(kept + 2 * torch.randn_like(kept))
                if not torch.equal(before, density()):
                    return True
        except (RuntimeError, ValueError):
            return True
        finally:
            parameter.copy_(kept)
    return False


def _draws(prior: nn.Module, encoder: nn.Module, subject: Subject) -> bool:
    """Whether calling the prior and its density takes numbers from torch's generator."""
    with seeded(subject.seed):
        before = torch.random.get_rng_state()
        prior(encoder).log_prob(subject.points)
        return not torch.equal(before, torch.random.get_rng_state())
