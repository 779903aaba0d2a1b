"""The prior leaves the encoder, the generators and everything global alone."""

import random
import warnings

import numpy as np
import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.testing import causes
from priory.testing.p_values import seeded
from priory.testing.results import Result, failed, passed, skipped
from priory.testing.subject import Subject, recorded


def encodes_once(subject: Subject) -> Result:
    """Check that each pseudo-input is encoded once a distribution, and the encoder left alone."""
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
    """Check that making, calling and using the prior changes no global state."""
    with seeded(subject.seed + 987_654_321):  # a seed that nobody sets
        before = _globals()
        prior = subject.make_prior()
        kinds = [t.dtype for t in prior.state_dict().values() if t.is_floating_point()]
        p = prior(subject.new_encoder(kinds[0] if kinds else torch.float32))
        p.log_prob(p.sample(Size((10,))))
        after = _globals()
    changed = {key: cause for key, (value, cause) in before.items() if after[key][0] != value}
    if changed:
        return failed(f"changed: {', '.join(changed)}", *changed.values())
    return passed()


def _globals() -> dict[str, tuple[object, str]]:
    """Return each global setting by its name, and what it means when it changes.

    Python's generator is not among them, because run-time type checkers draw from it.
    """
    other = "the prior changes a global setting"
    return {
        "NumPy's generator": (repr(np.random.get_state()), causes.NUMPY_GENERATOR),  # noqa: NPY002
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
    """Check that torch's seed reproduces priors and samples, and another gives other samples."""
    first, again, other = (_draw(subject, seed) for seed in (11, 11, 12))
    if not torch.equal(first, again):
        return failed("the same seed gives other samples", _whose_generator(subject))
    if torch.equal(first, other):
        return failed("another seed gives the same samples", causes.OTHER_GENERATOR)
    states = [subject.new_prior().state_dict() for _ in range(2)]
    if any(not torch.equal(states[0][key], states[1][key]) for key in states[0]):
        return failed("the same seed makes another prior", causes.OTHER_GENERATOR)
    return passed()


def _whose_generator(subject: Subject) -> str:
    """Find the generator that, put back, gives the same samples again."""
    numpy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    first = _draw(subject, 11)
    np.random.set_state(numpy)  # noqa: NPY002
    if torch.equal(first, _draw(subject, 11)):
        return causes.NUMPY_GENERATOR
    random.setstate(python)
    same = torch.equal(first, _draw(subject, 11))
    return causes.PYTHON_GENERATOR if same else causes.OTHER_GENERATOR


def _draw(subject: Subject, seed: int) -> Tensor:
    with seeded(seed):
        return subject.p.sample(Size((64,)))
