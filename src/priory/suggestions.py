"""Quote values in error messages, and suggest what may have been meant."""

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(
    got: str, names: Iterable[str], show: Callable[[str], str] = str, otherwise: str = "."
) -> str:
    """Return the end of a sentence that suggests the closest of some names, if one is close.

    The name is formatted with `show`; if none is close, the sentence ends with `otherwise`.

    Examples:
        >>> from priory.suggestions import did_you_mean
        >>> "got lable" + did_you_mean("lable", ["label", "part"])
        'got lable; did you mean label?'
        >>> "got x" + did_you_mean("x", ["label", "part"])
        'got x.'
        >>> did_you_mean("lable", ["label"], show="--{}".format)
        '; did you mean --label?'
    """
    near = difflib.get_close_matches(got, list(names), n=1)
    return f"; did you mean {show(near[0])}?" if near else otherwise


def short(value: object) -> str:
    """Return a value as quoted in an error, on one line, truncated if it is long.

    Examples:
        >>> from priory.suggestions import short
        >>> short("x" * 1000) == "x" * 77 + "..."
        True
    """
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def exact(number: object) -> str:
    """Return a number with enough digits to identify it among all others of its type.

    Examples:
        >>> import numpy as np
        >>> from priory.suggestions import exact
        >>> exact(np.float32(4.000003)), exact(4.0)
        ('4.000003', '4')
    """
    return str(number).removesuffix(".0")
