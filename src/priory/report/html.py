"""One self-contained page."""

import base64
from pathlib import Path
from typing import Any

from priory.extras import needs


def write_page(path: Path, template: str, **content: Any) -> None:
    """Render a template of this package into a page that needs no other file and no network.

    Text is escaped, so that labels and names that hold markup are shown as text.

    Args:
        path: The file to write.
        template: The name of the template.
        **content: What the template shows; one that is missing is an error.

    """
    with needs("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
    loader = PackageLoader("priory.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    path.write_text(environment.get_template(template).render(content), encoding="utf-8")


def embedded(png: Path) -> str:
    """Return a picture as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode()
