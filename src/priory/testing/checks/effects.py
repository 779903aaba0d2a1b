"""Asking for a distribution, a density or samples changes nothing, and changes are followed."""

import torch
from torch import Tensor, nn

from priory.testing import causes
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, failed, passed
from priory.testing.subject import Subject, standard_error


def in_place(subject: Subject) -> Result:
    """Check that parameters and buffers are as before a call, a density and samples.

    Parameters are also moved far, for what holds them in a range acts at its border only.
    """
    for training in (True, False):
        for distance in (0.0, 3.0, -3.0):
            prior = subject.new_prior().train(training)
            with torch.no_grad(), seeded(subject.seed + 15):
                for parameter in prior.parameters():
                    parameter.add_(distance * (1 + torch.rand_like(parameter)))
            before = _tensors(prior)
            try:
                p = prior(subject.new_encoder())
                p.log_prob(p.sample())
                p.log_prob(subject.points)
            except (RuntimeError, ValueError):
                if distance:
                    continue  # parameters that the prior does not take
                raise
            changed = [name for name, x in _tensors(prior).items() if not _same(before, name, x)]
            if changed:
                mode = "training" if training else "evaluation"
                return failed(f"changed in {mode} mode: {', '.join(changed)}", causes.IN_PLACE)
    return passed()


def _tensors(prior: nn.Module) -> dict[str, Tensor]:
    return {n: x.detach().clone() for n, x in [*prior.named_parameters(), *prior.named_buffers()]}


def _same(before: dict[str, Tensor], name: str, now: Tensor) -> bool:
    """Whether a tensor is as it was; one that was not there yet is no change."""
    then = before.get(name, now)
    return then.shape == now.shape and bool(((then == now) | (now != now)).all())


def random_numbers(subject: Subject) -> Result:
    """Check that log_prob leaves torch's generator where it was."""
    for training in (True, False):
        prior = subject.new_prior().train(training)
        with torch.no_grad(), seeded(subject.seed):
            p = prior(subject.new_encoder())
            if standard_error(p, subject.points).any():
                continue
            values, states = [], []
            for seed in (1, 2):
                torch.manual_seed(seed)
                before = torch.random.get_rng_state()
                values.append(p.log_prob(subject.points))
                states.append(torch.random.get_rng_state())
                moved = not torch.equal(before, states[-1])
        if moved:
            mode = "training" if training else "evaluation"
            cause = causes.DENSITY_DRAWS
            if torch.equal(*states):
                cause = causes.RESEEDED
            elif not torch.equal(*values):
                cause = causes.RANDOM_DENSITY
            return failed(f"the generator moves in {mode} mode", cause)
    return passed()


def follows(subject: Subject) -> Result:
    """Check that a second call follows parameters, and an encoder, changed since the first."""
    worst = 0.0
    for training in (False, True):
        prior, encoder = (m.train(training) for m in (subject.new_prior(), subject.new_encoder()))
        _log_prob(prior, encoder, subject)
        _change(prior, subject)
        for distance in (0.0, 0.3):
            with torch.no_grad(), seeded(subject.seed):
                for parameter in encoder.parameters():
                    parameter.add_(distance * torch.randn_like(parameter))
            fresh = subject.new_prior().train(training)
            _change(fresh, subject)
            after, alone = (_log_prob(x, encoder, subject) for x in (prior, fresh))
            worst = max(worst, _gap(after, alone))
        if not worst <= 1e-9:
            break
    return by_error(worst, 1e-9, "largest difference after a change", (causes.CACHED,))


@torch.no_grad()
def _change(prior: nn.Module, subject: Subject) -> None:
    """Give a prior the parameters of another one."""
    other = dict(subject.new_prior(variant=1).named_parameters())
    for name, parameter in prior.named_parameters():
        if name in other:
            parameter.copy_(other[name])


def _gap(a: Tensor, b: Tensor) -> float:
    return float(torch.where(a == b, 0.0, (a - b).abs()).max())


def _log_prob(prior: nn.Module, encoder: nn.Module, subject: Subject) -> Tensor:
    with torch.no_grad(), seeded(subject.seed):
        try:
            log_p: Tensor = prior(encoder).log_prob(subject.points)
        except ValueError:  # a support that has moved away from the points
            log_p = torch.zeros(len(subject.points), dtype=subject.points.dtype)
    return log_p
