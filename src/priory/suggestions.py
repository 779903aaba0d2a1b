"""What was got, and what was perhaps meant, as an error says it."""

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(
    got: str, known: Iterable[str], show: Callable[[str], str] = str, otherwise: str = "."
) -> str:
    """Return the end of a sentence that suggests the nearest of some names, if one is near.

    It says what `show` makes of that name; where none is near, the sentence ends `otherwise`.

    Examples:
        >>> from priory.suggestions import did_you_mean
        >>> "got lable" + did_you_mean("lable", ["label", "part"])
        'got lable; did you mean label?'
        >>> "got x" + did_you_mean("x", ["label", "part"])
        'got x.'
        >>> did_you_mean("lable", ["label"], show="--{}".format)
        '; did you mean --label?'
    """
    near = difflib.get_close_matches(got, list(known), n=1)
    return f"; did you mean {show(near[0])}?" if near else otherwise


def short(value: object) -> str:
    """Return a value as it is quoted in an error, in a line, cut where it is long.

    Examples:
        >>> from priory.suggestions import short
        >>> short("x" * 1000) == "x" * 77 + "..."
        True
    """
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def exact(number: object) -> str:
    """Return a number with as many digits as tell it from all others of its type.

    Examples:
        >>> import numpy as np
        >>> from priory.suggestions import exact
        >>> exact(np.float32(4.000003)), exact(4.0)
        ('4.000003', '4')
    """
    return str(number).removesuffix(".0")
