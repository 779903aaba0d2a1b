"""Priors by name and by description, with the names of today and of version 0.1."""

import functools
import inspect
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from torch import nn

from priory.arguments import only
from priory.networks.contract import wrong_part
from priory.networks.data_range import DataRange
from priory.priors.base import Prior
from priory.priors.parts.base import below, part_of
from priory.suggestions import did_you_mean

T = TypeVar("T", bound=type)


def prior_classes(composed: bool = False) -> dict[str, type[Prior]]:
    """Return every prior in this package by name: the final subclasses of `Prior`.

    Args:
        composed: Whether to include those that need more than a name: `MixturePrior`, which needs
            components, and `HierarchicalPrior`, which needs levels.
    """
    classes = {cls.__name__: cls for cls in below(Prior, "priory.priors")}
    return {
        name: cls
        for name, cls in sorted(classes.items())
        if composed or not {"components", "latent_dims"} & inspect.signature(cls).parameters.keys()
    }


def prior_class(name: str) -> type[Prior]:
    """Return the prior class with a name.

    Args:
        name: As exported (`"VampPrior"`), or in any case and without the ending (`"vamp"`).

    Raises:
        ValueError: If there is no such prior; the closest name is suggested.

    Examples:
        >>> from priory.priors import prior_class
        >>> prior_class("vamp").__name__
        'VampPrior'
    """
    classes = prior_classes(composed=True)
    by_short_name = {full.lower().removesuffix("prior"): cls for full, cls in classes.items()}
    short = name.lower().removesuffix("prior")
    if short not in by_short_name:
        raise ValueError(
            f"expected one of the priors {', '.join(prior_classes())}, got {name!r}"
            + did_you_mean(short, by_short_name, lambda near: by_short_name[near].__name__)
        )
    return by_short_name[short]


def make_prior(
    name: str,
    *,
    latent_dim: int,
    num_components: int,
    init: str = "random",
    data_shape: Sequence[int],
    data_range: DataRange,
    num_labels: int | None = None,
    **options: Any,
) -> Prior:
    """Build a prior by name from the sizes and shapes of a model; each prior takes those it needs.

    Args:
        name: The name of the prior, as for `prior_class`.
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K.
        init: How to initialise its components: `"random"` or from `"data"`.
        data_shape: The shape of one example.
        data_range: The range of the data, as for a `VampPrior`.
        num_labels: The number of labels in the data, or None.
        **options: Other arguments of the prior.

    Raises:
        ValueError: If the name or an option is unknown, a value is out of range, or the prior needs
            labels and there are none.

    Examples:
        >>> from priory import make_prior
        >>> facts = dict(latent_dim=2, num_components=16, data_shape=(8, 8), data_range=(0, 16))
        >>> type(make_prior("vamp", **facts, weights="uniform")).__name__
        'VampPrior'
    """
    facts = {
        "latent_dim": latent_dim,
        "num_components": num_components,
        "init": init,
        "data_shape": tuple(data_shape),
        "data_range": tuple(data_range),
        "num_labels": num_labels,
    }
    return prior_of({"kind": name, **options}, **facts)


def prior_of(description: Any, **facts: Any) -> Prior:
    """Return a prior from its name or from a mapping; a prior is returned unchanged.

    Args:
        description: The name of a prior, a mapping of `kind` (the name) and arguments, or a prior.
            Parts of a prior are mappings too: `{"kind": "VampPrior", "inputs": {"kind":
            "generated", "hidden_sizes": [300]}}`.
        **facts: Sizes and shapes of the model, for arguments that are not in the mapping.

    Raises:
        TypeError: If it is none of these.
        ValueError: If a name or an argument is unknown, an argument is missing or out of range, or
            the prior needs labels and there are none.

    Examples:
        >>> from priory.priors import prior_of
        >>> prior_of({"kind": "mog", "spread": 2.0}, latent_dim=2, num_components=16).spread
        2.0
    """
    if isinstance(description, Prior):
        return description
    if not isinstance(description, str | Mapping):
        raise wrong_part(description, "prior")
    mapping = {"kind": description} if isinstance(description, str) else dict(description)
    cls = prior_class(str(mapping.pop("kind", None)))
    options, takes = translated(cls.__name__, mapping), inspect.signature(cls).parameters
    only(options, takes, cls.__name__)
    facts = {name: fact for name, fact in facts.items() if fact is not None}
    for name in options.keys() & {"components", "inputs", "weights"}:
        options[name] = part_of(name, options[name], **{**facts, **options})
        facts.pop("init" if name == "inputs" else name, None)  # it has its own initialisation
    if "proposal" in takes:
        options["proposal"] = prior_of(options.get("proposal", "StandardPrior"), **facts)
    if "latent_dims" in takes and options.get("latent_dims"):
        of_top = {**facts, "latent_dim": options["latent_dims"][-1]}
        options["top"] = prior_of(options.get("top", "StandardPrior"), **of_top)
    arguments = {name: fact for name, fact in facts.items() if name in takes} | options
    missing = [n for n, p in takes.items() if p.default is p.empty and n not in arguments]
    if "num_labels" in missing:
        raise ValueError(
            f"expected data with labels for the {cls.__name__}, got none; give data with labels, "
            "or choose another prior."
        )
    if missing:
        raise ValueError(f"expected {', '.join(missing)} for the {cls.__name__}, got none.")
    return cls(**arguments)


PART_NAMES = ("components", "inputs", "weights")


def _generator(value: Any, arguments: dict[str, Any]) -> None:
    if value is not None:
        arguments["inputs"] = {"kind": "generated", "hidden_sizes": tuple(value)}


def _num_groups(value: Any, arguments: dict[str, Any]) -> None:
    if value is not None:
        if arguments.get("weights", "learned") != "learned":
            raise ValueError(
                f"expected learned weights for groups, got weights={arguments['weights']!r}; leave "
                "out weights."
            )
        arguments["weights"] = {"kind": "per-label", "num_labels": value}


def _proposal_options(value: Mapping[str, Any] | None, arguments: dict[str, Any]) -> None:
    proposal = arguments.get("proposal", "StandardPrior")
    described = dict(proposal) if isinstance(proposal, dict) else {"kind": str(proposal)}
    arguments["proposal"] = {**(value or {}), **described}


def _facts(value: Mapping[str, Any] | None, arguments: dict[str, Any]) -> None:
    _proposal_options({}, arguments)
    takes = inspect.signature(prior_class(arguments["proposal"]["kind"])).parameters
    facts = {name: fact for name, fact in (value or {}).items() if name in takes}
    _proposal_options(facts, arguments)


def _factorized(value: bool, arguments: dict[str, Any]) -> None:
    arguments["mixture"] = "factorized" if value else "joint"


OLD: dict[str, dict[str, Callable[[Any, dict[str, Any]], None]]] = {
    "MoGPrior": {"factorized": _factorized},
    "VampPrior": {"factorized": _factorized, "generator": _generator, "num_groups": _num_groups},
    "ConditionalVampPrior": {"covariates": lambda value, new: new.update(labels=value)},
    "ResampledPrior": {"proposal_options": _proposal_options, "facts": _facts},
}
"""For each prior, functions that translate old arguments."""

_PROPOSAL = ("proposal_options", "truncation", "hidden_sizes", "num_samples")
ORDER = {
    "MoGPrior": ("factorized",),
    "VampPrior": ("factorized", "generator", "num_groups"),
    "ConditionalVampPrior": (),
    "ResampledPrior": (*_PROPOSAL, "num_evaluation_samples", "facts"),
}
"""Old arguments that followed those still accepted by position."""


def translated(name: str, arguments: Mapping[str, Any], *, warn: bool = True) -> dict[str, Any]:
    """Return arguments of a prior with old ones translated, with a warning if there were any.

    Examples:
        >>> from priory.priors.registry import translated
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
            f"{', '.join(before)} of {name} is from version 0.1; use {now or 'nothing'} instead.",
            DeprecationWarning,
            stacklevel=3,
        )
    return new


def takes_old_spellings(cls: T) -> T:
    """Let a prior be created with its old arguments."""
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
    """Let a prior load a state from before it had parts, when all tensors were on one level."""
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
