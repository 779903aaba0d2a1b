"""A self-contained page that opens from disk and makes no network requests."""

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from priory.data import Columns
from priory.extras import needs
from priory.files import write_whole
from priory.networks.data_range import DataRange
from priory.report.entries import Entry, notes
from priory.report.page_data import MOST_POINTS, explored, page_data
from priory.report.pictures import Pictures
from priory.report.table_view import table_view
from priory.report.tables import Row, density_unit, errors_of, measures_table
from priory.report.verdict import Verdict, verdict


@dataclass(frozen=True)
class Recipe:
    """How a run is repeated.

    Attributes:
        name: What was run.
        command: The command.
        config: The configuration it reads.
    """

    name: str
    command: str
    config: str

    @classmethod
    def of(cls, command: str, directory: Path, config: str, name: str = "") -> "Recipe":
        """Return the recipe of a run in a directory."""
        words = shlex.join(["priory", command, "--config", str(directory / "config.yaml")])
        return cls(name or f"priory {command}", words, config)


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes:
        title: Its title.
        summary: What was done, in a sentence or two.
        data_range: The smallest and the largest value an example can take.
        recipes: How the runs are repeated.
        label_names: The names of the classes, where they have any.
        batch_names: The names of the batches, where there are any.
        columns: What the columns of a table mean, where the data are one.
    """

    title: str
    summary: str
    data_range: DataRange
    recipes: tuple[Recipe, ...]
    label_names: Sequence[str] | None = None
    columns: Columns | None = None
    batch_names: Sequence[str] | None = None


@dataclass(frozen=True)
class Chapter:
    """A comparison on other data, shown in brief on the page of the first.

    Attributes:
        title: Its title.
        summary: What was done.
        entries: Its priors.
        picture: The file of its figure, which the page then holds.
        address: Where its own page is, from the page.
    """

    title: str
    summary: str
    entries: Sequence[Entry]
    picture: Path
    address: str

    @property
    def verdict(self) -> Verdict:
        """What its numbers say."""
        return verdict(self.entries)

    @property
    def rows(self) -> list[Row]:
        """The rows of its table."""
        return measures_table(self.entries)

    @property
    def image(self) -> str:
        """The figure, as the address of an image."""
        return f"data:image/png;base64,{b64encode(self.picture.read_bytes()).decode()}"


def write_page(
    path: Path, entries: Sequence[Entry], subject: Subject, further: Sequence[Chapter] = ()
) -> None:
    """Write the page of one prior or of several.

    Text is escaped, so that labels and names that hold markup are shown as text.

    Args:
        path: The file; one that is there is replaced whole.
        entries: The priors, each with an exploration.
        subject: What the page is about.
        further: Other comparisons, shown in brief.
    """
    with needs("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
        from plotly.offline import get_plotlyjs
    loader = PackageLoader("priory.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    explorations = [explored(entry) for entry in entries]
    pictures = Pictures.of(explorations[0].data, subject.data_range, subject.columns)
    conclusion = verdict(entries)
    data = {
        **page_data(entries, pictures),
        "first": conclusion.chosen,
        "labelNames": _names([e.labels for e in entries], subject.label_names),
        "batchNames": _names([e.batches for e in entries], subject.batch_names),
    }
    most = MOST_POINTS // len(entries)
    examples = any(len(entry.exhibit.data) for entry in entries)
    page = environment.get_template("page.html").render(
        subject=subject,
        further=further,
        entries=list(zip(entries, explorations, strict=True)),
        verdict=conclusion,
        rows=measures_table(entries),
        unit=density_unit(subject.columns)[0],
        notes=[errors_of(entries), *notes([entry.evaluation for entry in entries])],
        bars=pictures.bars,
        labelled=any(entry.labels is not None for entry in entries),
        apart=bool(data["apart"]),
        examples=examples,
        views=[
            table_view(
                one, subject.columns, data["labelNames"], examples, data_too=one is entries[0]
            )
            for one in entries
        ],
        label_names=data["labelNames"],
        version=version("priory"),
        subset=most if any(len(e.exhibit.z) > most for e in entries) else None,
        data=Markup(json_for_script(data)),
        plotly=Markup(get_plotlyjs()),
    )
    write_whole(path, page.encode())


def json_for_script(data: Mapping[str, Any]) -> str:
    r"""Return JSON that can stand inside a `<script>`, whatever text it holds.

    Examples:
        >>> from priory.report.page import json_for_script
        >>> json_for_script({"label": "</script>"})
        '{"label":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _names(codes: Sequence[Tensor | None], given: Sequence[str] | None) -> list[str]:
    """Return the names of all classes, or batches, that there are; a number where one has none."""
    count = 1 + max((int(one.max()) for one in codes if one is not None and len(one)), default=-1)
    names = [str(name) for name in given or ()]
    return [names[n] if n < len(names) else str(n) for n in range(count)]
