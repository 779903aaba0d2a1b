"""What is printed is text: names of files and labels are shown as they are, and are no orders."""

from typing import Any

from priory.extras import needs


def printable(text: str) -> str:
    r"""Return text with what a terminal would obey, or cannot show, written out.

    Examples:
        >>> from priory.printing import printable
        >>> print(printable("[/x] :heart: \x1b[31m"))
        [/x] :heart: \x1b[31m
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def plain_console(*, quiet: bool = False) -> Any:
    """Return the console of Rich that everything is printed on, which takes text as text."""
    with needs("train"):
        from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **settings: Any) -> Any:
            return super().render_str(printable(text), **settings)

    text_only: dict[str, Any] = {
        "markup": False,
        "emoji": False,
        "highlight": False,
        "soft_wrap": True,
    }
    return PlainConsole(quiet=quiet, force_jupyter=False, **text_only)  # without its widgets
