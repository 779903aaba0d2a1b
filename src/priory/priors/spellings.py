"""What options and weights of priors were called before version 0.2, and what they are now."""

import functools
import inspect
import itertools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

T = TypeVar("T", bound=type)

PART_NAMES = ("components", "inputs", "weights")


def _factorized(value: bool, arguments: dict[str, Any]) -> None:
    arguments["mixture"] = "factorized" if value else "joint"


def _generator(value: Any, arguments: dict[str, Any]) -> None:
    if value is not None:
        arguments["inputs"] = {"kind": "generated", "hidden_sizes": tuple(value)}


def _num_groups(value: int | None, arguments: dict[str, Any]) -> None:
    if value is not None:
        if arguments.get("weights", "learned") != "learned":
            raise ValueError(
                f"expected learned weights for groups, got weights={arguments['weights']!r}; "
                "leave weights out."
            )
        arguments["weights"] = {"kind": "per-label", "num_labels": value}


def _covariates(value: str, arguments: dict[str, Any]) -> None:
    arguments["labels"] = value


def _proposal_options(value: Mapping[str, Any] | None, arguments: dict[str, Any]) -> None:
    arguments["proposal"] = {"kind": _proposal_name(arguments), **dict(value or {})}


def _facts(value: Mapping[str, Any] | None, arguments: dict[str, Any]) -> None:
    from priory.priors.registry import prior_class  # which reads these spellings itself

    takes = inspect.signature(prior_class(_proposal_name(arguments))).parameters
    facts = {name: fact for name, fact in (value or {}).items() if name in takes}
    _proposal_options({**facts, **_options(arguments)}, arguments)


def _proposal_name(arguments: Mapping[str, Any]) -> str:
    proposal = arguments.get("proposal", "StandardPrior")
    return str(proposal["kind"] if isinstance(proposal, dict) else proposal)


def _options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    proposal = arguments.get("proposal")
    return dict(proposal) if isinstance(proposal, dict) else {}


OLD: dict[str, dict[str, Callable[[Any, dict[str, Any]], None]]] = {
    "MoGPrior": {"factorized": _factorized},
    "VampPrior": {
        "factorized": _factorized,
        "generator": _generator,
        "num_groups": _num_groups,
    },
    "ConditionalVampPrior": {"covariates": _covariates},
    "ResampledPrior": {"proposal_options": _proposal_options, "facts": _facts},
}
"""For each prior, what puts the new argument in the place of an old one."""


ORDER = {
    "MoGPrior": ("factorized",),
    "VampPrior": ("factorized", "generator", "num_groups"),
    "ConditionalVampPrior": (),
    "ResampledPrior": (
        "proposal_options",
        "truncation",
        "hidden_sizes",
        "num_samples",
        "num_evaluation_samples",
        "facts",
    ),
}
"""What stood behind the arguments that are still taken by their position."""


def translated(name: str, arguments: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Return arguments of a prior with the old ones put in today's words, and warn if there were.

    Args:
        name: The name of the prior.
        arguments: Its arguments by name.
        warn: Whether to warn, as is no use with a file.

    Examples:
        >>> from priory.priors.spellings import translated
        >>> translated("VampPrior", {"generator": [300]}, warn=False)
        {'inputs': {'kind': 'generated', 'hidden_sizes': (300,)}}

    """
    new = {key: value for key, value in arguments.items() if key not in OLD.get(name, {})}
    before = {key: arguments[key] for key in OLD.get(name, {}) if key in arguments}
    for key, value in before.items():
        OLD[name][key](value, new)
    if before and warn:
        now = ", ".join(f"{k}={v!r}" for k, v in new.items() if arguments.get(k) != v)
        warnings.warn(
            f"{', '.join(before)} of {name} is from version 0.1; say {now or 'nothing'} instead.",
            DeprecationWarning,
            stacklevel=3,
        )
    return new


def takes_old_spellings(cls: T) -> T:
    """Let a prior be made with the arguments that it had before."""
    make = cls.__init__  # type: ignore[misc]
    takes = inspect.signature(cls).parameters
    names = [n for n, p in takes.items() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    names_before = [*names, *ORDER[cls.__name__]]

    @functools.wraps(make)
    def make_either_way(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(names) or kwargs.keys() & OLD[cls.__name__].keys():
            arguments = dict(zip(names_before, args, strict=False)) | kwargs
            args, kwargs = (), translated(cls.__name__, arguments)
        make(self, *args, **kwargs)

    cls.__init__ = make_either_way  # type: ignore[misc]
    return cls


def rename_states(prior: nn.Module) -> None:
    """Let a prior load a state from before it had parts, when all lay side by side."""
    prior.register_load_state_dict_pre_hook(_rename)


def _rename(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    for name, tensor in tensors:
        words = name.split(".")
        while words[0] in PART_NAMES:
            words = words[1:]
        before, now = prefix + ".".join(words), prefix + name
        if now not in state and before in state:
            value = state.pop(before)
            state[now] = value[0] if value.shape == (1, *tensor.shape) else value
    for key in [key for key in state if key.startswith(f"{prefix}proposer.")]:
        state[prefix + "proposal." + key.removeprefix(f"{prefix}proposer.")] = state.pop(key)
