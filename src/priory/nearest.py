"""What was perhaps meant by a name that nothing has."""

import difflib
from collections.abc import Iterable


def did_you_mean(got: str, known: Iterable[str], before: str = "") -> str:
    """Return the end of a sentence that suggests the nearest of some names, if one is near.

    Args:
        got: The name that nothing has.
        known: The names that there are.
        before: What to write before the one suggested.

    Examples:
        >>> from priory.nearest import did_you_mean
        >>> "got lable" + did_you_mean("lable", ["label", "part"])
        'got lable; did you mean label?'
        >>> "got x" + did_you_mean("x", ["label", "part"])
        'got x.'

    """
    near = difflib.get_close_matches(got, list(known), n=1)
    return f"; did you mean {before}{near[0]}?" if near else "."
