"""What was perhaps meant by a name that nothing has."""

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
