"""How models and numbers are displayed in a notebook."""

from collections.abc import Mapping
from html import escape


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """Return a small table of names and rounded values, with escaped text.

    Examples:
        >>> from priory.notebook import html_table
        >>> html_table("a < b", {"nll": 1.2345})
        '<table><caption>a &lt; b</caption><tr><th>nll</th><td>1.234</td></tr></table>'
    """
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
