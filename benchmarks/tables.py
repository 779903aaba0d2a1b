"""Keep the tables in the docs what the commands wrote last."""

from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def put_table(page: str, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- end of name -->` in a page.

    Raises:
        ValueError: If the page has no such place.

    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = (DOCS / page).read_text()
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ValueError(f"expected {begin} and {end} in {page}; put them where the table goes.")
    (DOCS / page).write_text("\n".join([before + begin, "", *lines, "", end + after]))
