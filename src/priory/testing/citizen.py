"""Does the prior move, copy and save whole, and leave everything else alone?"""

import io
import random
import warnings
from copy import deepcopy

import numpy as np
import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.testing import causes
from priory.testing.attributes import modules_in_attributes, tensors_in_attributes
from priory.testing.report import Result, by_error, failed, passed, skipped
from priory.testing.seeding import seeded
from priory.testing.subject import Subject, recorded


def moves(subject: Subject) -> Result:
    """No constant tensor stays behind in `.to(device, dtype)`."""
    prior = subject.new_prior()
    prior(subject.new_encoder())
    behind = [
        name
        for name, tensor in tensors_in_attributes(prior)
        if not isinstance(tensor, nn.Parameter)
    ]
    if behind:
        return failed(f"plain tensors: {', '.join(behind)}", causes.NO_BUFFER)
    if torch.cuda.is_available():
        p = subject.new_prior().to("cuda")(subject.new_encoder().to("cuda"))
        if p.sample().device.type != "cuda" or p.log_prob(p.sample()).device.type != "cuda":
            return failed("expected samples and densities on the GPU", causes.NO_BUFFER)
    return passed()


def state_dict(subject: Subject) -> Result:
    """The state_dict holds no tensor twice and no encoder, and a call changes none of its keys."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    keys = list(prior.state_dict())
    prior(encoder)
    state = prior.state_dict()
    parts = {id(part) for part in encoder.modules()}
    held = [m for m in (*prior.modules(), *modules_in_attributes(prior)) if id(m) in parts]
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
    """The density follows the encoder that is given, and not one that was seen before."""
    first, second = subject.new_encoder(), subject.new_encoder()
    with torch.no_grad(), seeded(subject.seed):
        for parameter in second.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    used, new = subject.new_prior().requires_grad_(False), subject.new_prior().requires_grad_(False)
    used(first)
    second.requires_grad_(False)
    with seeded(subject.seed):
        after = used(second).log_prob(subject.points)
    with seeded(subject.seed):
        alone = new(second).log_prob(subject.points)
    return _same(after, alone, "after another encoder", causes.ENCODER_STORED)


def copies(subject: Subject) -> Result:
    """A deep copy, and a new prior that loads the state_dict, have identical densities."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    log_p = prior(encoder).log_prob(subject.points)
    twin = deepcopy(prior)
    result = _same(twin(encoder).log_prob(subject.points), log_p, "deepcopy", causes.NOT_SAVED)
    if result.verdict != "passed":
        return result
    file = io.BytesIO()
    torch.save(prior.state_dict(), file)
    file.seek(0)
    loaded = subject.new_prior(variant=1)
    loaded.load_state_dict(torch.load(file))
    actual = loaded(encoder).log_prob(subject.points)
    return _same(actual, log_p, "deepcopy, save and load", causes.NOT_SAVED)


def modes(subject: Subject) -> Result:
    """Training and evaluation mode have the same density."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    with seeded(subject.seed):
        train = prior.train()(encoder).log_prob(subject.points)
    with seeded(subject.seed):
        evaluation = prior.eval()(encoder).log_prob(subject.points)
    return _same(train, evaluation, "train against eval", causes.MODE)


def encodes_once(subject: Subject) -> Result:
    """Each pseudo-input is encoded once per distribution, and the encoder is left as it was."""
    prior, encoder = subject.new_prior(), subject.new_encoder()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    flags = [(m.training, [p.requires_grad for p in m.parameters()]) for m in encoder.modules()]
    with recorded(encoder) as inputs:
        p = prior(encoder)
        rows = torch.cat([x.detach().flatten(1) for x in inputs]) if inputs else torch.zeros(0)
        calls = len(inputs)
        p.log_prob(subject.points)
        p.sample()
        p.log_prob(p.sample())
        later = len(inputs) - calls
    if later:
        return failed(f"log_prob and sample call the encoder {later} times", causes.ENCODED_TWICE)
    repeated = len(rows) - len(rows.unique(dim=0)) if len(rows) else 0
    if repeated:
        return failed(f"{repeated} pseudo-inputs are encoded again", causes.ENCODED_TWICE)
    state = encoder.state_dict()
    now = [(m.training, [p.requires_grad for p in m.parameters()]) for m in encoder.modules()]
    if now != flags or any(not torch.equal(state[key], before[key]) for key in before):
        return failed("the encoder changed", causes.ENCODER_TOUCHED)
    return passed() if inputs else skipped("the encoder is not called")


def global_state(subject: Subject) -> Result:
    """Making, calling and using the prior changes no global state."""
    with seeded(subject.seed):
        before = _globals()
        prior = subject.make_prior()
        p = prior(subject.new_encoder(torch.float32))
        p.log_prob(p.sample(Size((10,))))
        after = _globals()
    changed = {key: cause for key, (value, cause) in before.items() if after[key][0] != value}
    if changed:
        return failed(f"changed: {', '.join(changed)}", *changed.values())
    return passed()


def _globals() -> dict[str, tuple[object, str]]:
    """Return each global setting by its name, and what it means when it changes."""
    other = "the prior changes a global setting"
    return {
        "NumPy's generator": (repr(np.random.get_state()), causes.NUMPY_GENERATOR),  # noqa: NPY002
        "Python's generator": (random.getstate(), causes.PYTHON_GENERATOR),
        "torch's seed": (torch.initial_seed(), causes.RESEEDED),
        "default dtype": (torch.get_default_dtype(), other),
        "default device": (torch.get_default_device(), other),
        "gradient mode": (torch.is_grad_enabled(), other),
        "anomaly mode": (torch.is_anomaly_enabled(), other),
        "deterministic algorithms": (torch.are_deterministic_algorithms_enabled(), other),
        "threads": (torch.get_num_threads(), other),
        "validation of arguments": (Distribution.__dict__["_validate_args"], other),
        "warning filters": (tuple(warnings.filters), other),
    }


def generator(subject: Subject) -> Result:
    """Samples are reproduced by torch's seed, and change with it."""
    first, again, other = (_sample_from(subject, seed) for seed in (11, 11, 12))
    if not torch.equal(first, again):
        state = repr(np.random.get_state())  # noqa: NPY002
        _sample_from(subject, 11)
        if state != repr(np.random.get_state()):  # noqa: NPY002
            return failed("the same seed gives other samples", causes.NUMPY_GENERATOR)
        return failed("the same seed gives other samples", causes.OTHER_GENERATOR)
    if torch.equal(first, other):
        return failed("another seed gives the same samples", causes.OTHER_GENERATOR)
    return passed()


def _sample_from(subject: Subject, seed: int) -> Tensor:
    with seeded(seed):
        return subject.p.sample(Size((64,)))


def _same(actual: Tensor, expected: Tensor, note: str, cause: str) -> Result:
    gap = float((actual - expected).abs().max().detach())
    return by_error(gap, 0.0, f"largest difference, {note}", (cause,))
