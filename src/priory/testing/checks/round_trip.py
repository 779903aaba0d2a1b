"""The prior moves, copies and saves completely."""

import io
from copy import deepcopy

import torch
from torch import Tensor, nn

from priory.testing import causes
from priory.testing.attributes import held_in_attributes
from priory.testing.p_values import seeded
from priory.testing.results import Result, by_error, failed, passed
from priory.testing.subject import BARS, Subject, standard_error


def moves(subject: Subject) -> Result:
    """Check that no constant tensor stays behind in `.to(device, dtype)`."""
    prior = subject.new_prior()
    prior(subject.new_encoder())
    held = held_in_attributes(prior, Tensor)
    behind = [name for name, tensor in held if not isinstance(tensor, nn.Parameter)]
    if behind:
        return failed(f"plain tensors: {', '.join(behind)}", causes.NO_BUFFER)
    if torch.cuda.is_available():
        p = subject.new_prior().to("cuda")(subject.new_encoder().to("cuda"))
        if p.sample().device.type != "cuda" or p.log_prob(p.sample()).device.type != "cuda":
            return failed("expected samples and densities on the GPU", causes.NO_BUFFER)
    return passed()


def state_dict(subject: Subject) -> Result:
    """Check that the state_dict has no tensor twice, no encoder, and nothing new after a call."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    keys = list(prior.state_dict())
    prior(encoder)
    state = prior.state_dict()
    parts = {id(part) for part in encoder.modules()}
    modules = [*prior.modules(), *(module for _, module in held_in_attributes(prior, nn.Module))]
    held = [module for module in modules if id(module) in parts]
    theirs = {t.data_ptr() for t in encoder.state_dict().values() if t.numel()}
    if held or any(t.data_ptr() in theirs for t in state.values() if t.numel()):
        added = [key for key in state if key not in keys]
        return failed(f"the encoder is kept ({len(added)} keys more)", causes.ENCODER_STORED)
    if list(state) != keys:
        return failed("a call of the prior changes the keys", causes.ENCODER_STORED)
    twice = len(keys) - len({t.data_ptr() for t in state.values() if t.numel()})
    twice -= sum(t.numel() == 0 for t in state.values())
    return failed(f"{twice} keys doubled", causes.SHARED_KEYS) if twice else passed()


def other_encoder(subject: Subject) -> Result:
    """Check that the density follows the encoder that is given, and not an earlier one."""
    first, second = subject.new_encoder(), subject.new_encoder()
    with torch.no_grad(), seeded(subject.seed):
        for parameter in second.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    prior = subject.new_prior()
    prior(first)
    after = _log_prob(prior, second, subject)
    alone = _log_prob(subject.new_prior(), second, subject)
    return _same(after, alone, "after another encoder", causes.ENCODER_STORED)


def copies(subject: Subject) -> Result:
    """Check that a deep copy, and a new prior with the loaded state_dict, have the same density."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    log_p = _log_prob(prior, encoder, subject)
    twin = _log_prob(deepcopy(prior), encoder, subject)
    file = io.BytesIO()
    torch.save(prior.state_dict(), file)
    file.seek(0)
    other = subject.new_prior(variant=1)
    other.load_state_dict(torch.load(file))
    loaded = _log_prob(other, encoder, subject)
    answers = torch.cat([twin, loaded])
    return _same(answers, log_p.repeat(2), "deepcopy, save and load", causes.NOT_SAVED)


def modes(subject: Subject) -> Result:
    """Check that training and evaluation mode have the same density, within an estimate's error."""
    prior, encoder = subject.new_prior().requires_grad_(False), subject.new_encoder()
    log_p, error = [], torch.zeros(len(subject.points))
    for training in (True, False):
        with torch.no_grad(), seeded(subject.seed):
            p = prior.train(training)(encoder)
            log_p.append(p.log_prob(subject.points))
        error = error + standard_error(p, subject.points)
    gap = max(0.0, float(((log_p[0] - log_p[1]).abs() - BARS * error).max()))
    return by_error(gap, 0.0, "largest difference, train against eval", (causes.MODE,))


def _log_prob(prior: nn.Module, encoder: nn.Module, subject: Subject) -> Tensor:
    with torch.no_grad(), seeded(subject.seed):
        log_p: Tensor = prior(encoder).log_prob(subject.points)
    return log_p


def _same(actual: Tensor, expected: Tensor, note: str, cause: str) -> Result:
    gap = float((actual - expected).abs().max())
    return by_error(gap, 0.0, f"largest difference, {note}", (cause,))
