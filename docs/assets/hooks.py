"""What the site goes through: its list of priors, shared texts, and equations without a script."""

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[2]
SHARED = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "index.md": "README.md",
}
EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<tex>.*?)\\[)\]]</(?P=tag)>', re.S
)
LINK = re.compile(r"^\| \[.*?\]\((\w+\.md)\)", re.M)
PAGE = re.compile(r"(?<![(/`])\bdocs/(\w+)\.md")  # named in prose


def on_config(config: Any, **_: Any) -> Any:
    """Put a page for each row of the table of priors into the navigation."""
    (priors,) = (entry["Priors"] for entry in config["nav"] if "Priors" in entry)
    table = (ROOT / "docs/priors/index.md").read_text()
    priors.extend(f"priors/{page}" for page in LINK.findall(table))
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill the pages that show a text of the repository's root, with links as the site has them."""
    if page.file.src_uri not in SHARED:
        return markdown
    text = (ROOT / SHARED[page.file.src_uri]).read_text()
    text = text.replace("](docs/", "](").replace("](CONTRIBUTING.md)", "](contributing.md)")
    text = PAGE.sub(r"[\g<0>](\1.md)", text)
    return text.replace("[Apache License 2.0](LICENSE)", "Apache License 2.0")


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation that the Markdown extension has marked."""

    def mathml(match: re.Match[str]) -> str:
        display = "block" if match["open"] == "[" else "inline"
        return convert(html.unescape(match["tex"]), display=display)

    return EQUATION.sub(mathml, content)
