"""Priors by name."""

import difflib
import inspect
from collections.abc import Sequence
from typing import Any

from priory.nearest import did_you_mean
from priory.networks.data_range import DataRange
from priory.priors.base import Prior


def prior_classes() -> dict[str, type[Prior]]:
    """Return every prior of this package by its name: the final classes below `Prior`."""
    house = __name__.rpartition(".")[0]
    return {cls.__name__: cls for cls in Prior.__subclasses__() if cls.__module__.startswith(house)}


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
        near = difflib.get_close_matches(short, known, n=1)
        raise ValueError(
            f"expected one of the priors {', '.join(prior_classes())}, got {name!r}"
            + (f"; did you mean {known[near[0]].__name__}?" if near else ".")
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
    cls = prior_class(name)
    takes = inspect.signature(cls).parameters
    if unknown := options.keys() - takes.keys():
        raise ValueError(
            f"expected options of {cls.__name__} among {', '.join(takes)}, "
            f"got {', '.join(sorted(unknown))}" + did_you_mean(sorted(unknown)[0], takes)
        )
    if cls.needs_labels and (num_labels or options.get("num_labels")) is None:
        raise ValueError(
            f"expected data with labels for the {cls.__name__}, got none; give data with labels, "
            "or choose another prior."
        )
    facts: dict[str, Any] = {
        "latent_dim": latent_dim,
        "num_components": num_components,
        "init": init,
        "data_shape": tuple(data_shape),
        "data_range": tuple(data_range),
        "num_labels": num_labels,
    }
    facts["facts"] = dict(facts)
    return cls(**{**{key: value for key, value in facts.items() if key in takes}, **options})
