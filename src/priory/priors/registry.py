"""Priors by name."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from priory.networks.data_range import DataRange
from priory.priors.base import Prior
from priory.priors.parts.base import part_of
from priory.priors.spellings import translated
from priory.suggestions import did_you_mean


def prior_classes() -> dict[str, type[Prior]]:
    """Return every prior of this package by its name: the final classes below `Prior`."""
    house, classes, pending = __name__.rpartition(".")[0], {}, [Prior]
    while pending:
        for cls in pending.pop().__subclasses__():
            pending.append(cls)
            if cls.__module__.startswith(house):
                classes[cls.__name__] = cls
    return dict(sorted(classes.items()))


def prior_class(name: str) -> type[Prior]:
    """Return the prior of that name.

    Args:
        name: As exported (`"VampPrior"`); case and the ending may be left out (`"vamp"`).

    Raises:
        ValueError: If there is no such prior; the nearest name is suggested.

    Examples:
        >>> from priory.priors import prior_class
        >>> prior_class("vamp").__name__
        'VampPrior'

    """
    known = {full.lower().removesuffix("prior"): cls for full, cls in prior_classes().items()}
    short = name.lower().removesuffix("prior")
    if short not in known:
        raise ValueError(
            f"expected one of the priors {', '.join(prior_classes())}, got {name!r}"
            + did_you_mean(short, known, lambda near: known[near].__name__)
        )
    return known[short]


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
    """Build a prior by its name from the facts of a model; each prior takes those it needs.

    Args:
        name: The name of the prior, as for `prior_class`.
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K.
        init: Where its components start: `"random"` or from `"data"`.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take: two numbers, or a pair of
            nested lists of the datum's shape, for each dimension its own.
        num_labels: The number of labels of the data; None without.
        **options: Further arguments of the prior's own.

    Raises:
        ValueError: If the name or an option is unknown, a fact is out of range, or the prior needs
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


def prior_of(description: str | Mapping[str, Any] | Prior, **facts: Any) -> Prior:
    """Return a prior from its name, from a mapping, or as it is.

    Args:
        description: The name of a prior, a mapping of `kind` (the name) and arguments, or a prior.
            Parts of a prior are mappings too: `{"kind": "VampPrior", "inputs": {"kind":
            "generated", "hidden_sizes": [300]}}`.
        **facts: What is known of the model; the prior and its parts take what the mapping does not
            say.

    Raises:
        ValueError: If a name or an argument is unknown, an argument is missing or out of range, or
            the prior needs labels and there are none.

    Examples:
        >>> from priory.priors import prior_of
        >>> prior_of({"kind": "mog", "spread": 2.0}, latent_dim=2, num_components=16).spread
        2.0

    """
    if isinstance(description, Prior):
        return description
    mapping = {"kind": description} if isinstance(description, str) else dict(description)
    cls = prior_class(str(mapping.pop("kind", None)))
    options, takes = translated(cls.__name__, mapping), inspect.signature(cls).parameters
    if unknown := sorted(options.keys() - takes.keys()):
        raise ValueError(
            f"expected options of {cls.__name__} among {', '.join(takes)}, got "
            f"{', '.join(unknown)}" + did_you_mean(unknown[0], takes)
        )
    facts = {name: fact for name, fact in facts.items() if fact is not None}
    for name in options.keys() & {"components", "inputs", "weights"}:
        options[name] = part_of(name, options[name], **{**facts, **options})
        facts.pop("init" if name == "inputs" else name, None)  # it says itself where it starts
    if "proposal" in takes:
        options["proposal"] = prior_of(options.get("proposal", "StandardPrior"), **facts)
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
