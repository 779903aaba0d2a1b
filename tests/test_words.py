"""The prose of the project is plain English: no words of a list that a native speaker avoids."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import ROOT

AVOIDED = {
    r"datum": "example, or data point",
    r"(?:is|are|too) dear": "costs a lot, or expensive",
    r"whoever": "anyone who, or if you",
    r"told from": "told apart from, or distinguished from",
    r"matter of course": "automatic, or to be expected",
    r"whatever one": "whichever",
    r"told of": "takes, receives or gets",
    r"likewise": "the same for, or also",
    r"as it stands": "unchanged, or in its current mode",
    r"in the place of": "instead of, or in place of",
    r"in what follows": "below",
    r"what it holds": "its contents",
    r"a class of (?:your|the user's|one's) own": "your own class, or the user's own class",
    r"has to be (?:told|given|had|said)": "must be, or needs",
    r"is to be had": "is available",
    r"(?:goes|go) on with": "continues",
    r"takes of": "takes from",
    r"is said in one sentence": "the message says",
    r"of so many": "of this many",
    r"besides it": "in addition to it",
    r"mend (?:it|them|the)": "fix",
    r"for want of": "if there is no",
    r"the most (?:epochs|data|components|points|bytes|rows)": "at most, or the maximum",
    r"has? no use for": "does not need",
    r"lies? beside": "is next to",
    r"stands? (?:beside|behind|for itself)": "is next to, or is behind",
}
"""Regular expressions, and what to write instead."""
PATTERN = re.compile(rf"\b(?:{'|'.join(AVOIDED)})\b", re.IGNORECASE)
FOLDERS = ("src/priory", "docs", "benchmarks", "recipes")
SUFFIXES = {".md", ".html", ".ipynb", ".js", ".yaml"}
NAMES = re.compile(r"`[^`\n]*`|\w*_datum")
"""Code in prose, which may name what version 0.1 called so."""


def prose_of(python: str) -> str:
    """Return the docstrings, the comments and the other text of a file, one after the other."""
    tree = ast.parse(python)
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    tokens = tokenize.generate_tokens(io.StringIO(python).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join([*(text for text in texts if isinstance(text, str)), " ".join(comments)])


def avoided_in(text: str) -> list[str]:
    """Return the words of the list in a text, without those of code."""
    return PATTERN.findall(" ".join(NAMES.sub("", text).split()))


def files() -> Iterator[Path]:
    """Walk over the files with prose."""
    yield from (ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES | {".py"} and path.is_file():
                yield path


def test_no_file_has_words_that_a_native_speaker_avoids():
    marks = {}
    for path in files():
        text = path.read_text()
        words = avoided_in(prose_of(text) if path.suffix == ".py" else text)
        if words:
            marks[str(path.relative_to(ROOT))] = words
    assert not marks, f"plainer words are in AVOIDED: {marks}"


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ('"""One datum.\n\n    It is told\n    of labels."""\n', ["datum", "told of"]),
        ("x = 1  # whoever asks\n", ["whoever"]),
        ('raise ValueError(f"{1}, likewise the " "other")\n', ["likewise"]),
        ('"""The attribute `per_datum`, and what takes them."""\n', []),
    ],
)
def test_the_list_finds_words_in_docstrings_comments_and_messages(python, words):
    assert avoided_in(prose_of(python)) == words
