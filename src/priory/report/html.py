"""One self-contained page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from priory.extras import needs


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Attributes:
        path: The PNG file.
        caption: What it shows.

    """

    path: Path
    caption: str

    @property
    def source(self) -> str:
        """The picture itself, as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()


def write_report(
    path: Path,
    *,
    title: str,
    summary: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    pictures: dict[str, Sequence[Picture]],
    config: str,
    command: str,
) -> None:
    """Write a page with a table and pictures that needs no other file and no network.

    Args:
        path: The file to write.
        title: The title of the page.
        summary: A sentence or two under it.
        header: The heads of the table's columns.
        rows: Its cells, as text.
        pictures: The pictures under each heading.
        config: The configuration of the run.
        command: The command that repeats it.

    """
    with needs("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
    environment = Environment(
        loader=PackageLoader("priory.report"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("comparison.html").render(
        title=title,
        summary=summary,
        header=header,
        rows=rows,
        pictures=pictures,
        config=config,
        command=command,
    )
    path.write_text(page)
