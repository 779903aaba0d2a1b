"""Printed output is plain text: file names and labels are never interpreted as markup."""

from typing import Any

from priory.extras import needs


def printable(text: str) -> str:
    r"""Return text with control sequences, and characters that cannot be shown, escaped.

    Examples:
        >>> from priory.printing import printable
        >>> print(printable("[/x] :heart: \x1b[31m"))
        [/x] :heart: \x1b[31m
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def plain_console(*, quiet: bool = False) -> Any:
    """Return the Rich console for all output, which prints text literally."""
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
    if Console().is_jupyter:  # without widgets, and without a cursor that moves
        text_only |= {"force_jupyter": False, "force_terminal": False}
    return PlainConsole(quiet=quiet, **text_only)
