"""Checks of arguments, with one-sentence errors."""

from collections.abc import Collection, Iterable

from priory.suggestions import did_you_mean, short

MOST_WEIGHTS = 2**27
"""Half a GiB in single precision; two with gradients and the two moments of Adam."""
MOST_SEED = 2**63 - 1


def at_least(least: float, **numbers: float | None) -> None:
    """Refuse numbers below a minimum, infinite ones and NaN, but not None.

    Examples:
        >>> from priory.arguments import at_least
        >>> at_least(1, latent_dim=2, num_components=0)
        Traceback (most recent call last):
        ...
        ValueError: expected num_components of at least 1, got 0.
    """
    for name, number in numbers.items():
        if number is not None and not least <= number < float("inf"):
            raise ValueError(f"expected {name} of at least {least}, got {short(number)}.")


def above_zero(**numbers: float) -> None:
    """Refuse numbers that are not above zero and finite."""
    for name, number in numbers.items():
        if not 0 < number < float("inf"):
            raise ValueError(f"expected a finite {name} above zero, got {number}.")


def one_of(words: Iterable[str], **given: object) -> None:
    """Refuse arguments that are not among some words, and suggest the closest.

    Examples:
        >>> from priory.arguments import one_of
        >>> one_of(("random", "data"), init="date")
        Traceback (most recent call last):
        ...
        ValueError: expected init among random, data, got 'date'; did you mean data?
    """
    words = list(words)
    for name, word in given.items():
        if word not in words:
            raise ValueError(
                f"expected {name} among {', '.join(words)}, got {short(repr(word))}"
                + did_you_mean(str(word), words)
            )


def only(names: Collection[str], allowed: Collection[str], whose: str) -> None:
    """Refuse options with unknown names."""
    if unknown := sorted(set(names) - set(allowed)):
        among = (
            f"options of {whose} among {', '.join(allowed)}"
            if allowed
            else f"no options of {whose}"
        )
        raise ValueError(
            f"expected {among}, got {short(', '.join(unknown))}" + did_you_mean(unknown[0], allowed)
        )


def within(least: float, most: float = 10**6, /, **numbers: float | None) -> None:
    """Refuse numbers outside a range, and NaN, but not None; nobody types counts over a million.

    Examples:
        >>> from priory.arguments import within
        >>> within(1, latent_dim=2, num_components=10**12)
        Traceback (most recent call last):
        ...
        ValueError: expected num_components from 1 to 1,000,000, got 1000000000000.
    """
    for name, number in numbers.items():
        if number is not None and not least <= number <= most:
            raise ValueError(f"expected {name} from {least:,} to {most:,}, got {short(number)}.")


def check_size(numbers: int, where: str) -> None:
    """Refuse a model with too many weights for memory, which is usually a typing error.

    Examples:
        >>> from priory.arguments import check_size
        >>> check_size(10**12, "in the model")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: expected at most 134,217,728 weights in the model, got 1,000,000,000,000; ...
    """
    if numbers > MOST_WEIGHTS:
        raise ValueError(
            f"expected at most {MOST_WEIGHTS:,} weights {where}, got {numbers:,}; use fewer or "
            "narrower layers, latent dimensions or components."
        )
