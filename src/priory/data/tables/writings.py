"""Recognise formatted numbers and dates by how a cell looks."""

import re
from typing import NamedTuple

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?(?: ?(?:z|utc|[+-]\d{2}:?\d{2}))?"
DAY = "|".join(
    (
        r"\d{4}([-/.])\d{1,2}\1\d{1,2}",
        r"\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2})",
        r"\d{4}[-/]\d{2}",
        rf"\d{{1,2}}[-. ]+{MONTH}[- ]+\d{{2,4}}",
        rf"{MONTH} \d{{1,2}},? \d{{4}}",
    )
)
DATE = re.compile(rf"(?:{DAY})(?:[t ,]+{TIME})?|{TIME}", re.IGNORECASE)
TIME_ALONE = re.compile(TIME, re.IGNORECASE)
CURRENCY = r"(?:[$€£¥₹₽₩¢]|(?:usd|eur|gbp|chf|jpy|cny|inr|cad|aud|sek|nok|dkk|pln|czk)\b)"
APART = r"[1-9]\d{0,2}([ ,.'\u2019\u00a0\u202f])\d{3}(?:\3\d{3})*(?:[.,]\d+)?"
AMOUNT = re.compile(
    rf"([-+\u2212\u2013(]*)\s*(?P<before>{CURRENCY})?\s*([-+\u2212\u2013]?)"
    rf"(?P<digits>{APART}|\d*[.,]?\d+(?:e[+-]?\d+)?|\d+[.,])\s*"
    rf"(?P<after>%|‰|{CURRENCY})?\s*\)?",
    re.IGNORECASE,
)
GROUPED = re.compile(APART.replace("\\3", "\\1"))
PLAIN = {
    mark: re.compile(
        rf"[-+]?(?:\d+{re.escape(mark)}?\d*|{re.escape(mark)}\d+)(?:e[+-]?\d+)?", re.IGNORECASE
    )
    for mark in ".,"
}


class Writing(NamedTuple):
    """How a cell is formatted.

    Attributes:
        name: What it is.
        is_date: Whether it is a date or a time.
        is_decimal: Whether it differs from a plain number only in its decimal mark.
    """

    name: str
    is_date: bool = False
    is_decimal: bool = False


def writing_of(text: str, decimal: str = ".") -> Writing | None:
    """Return how a cell that is not a plain number is formatted; None if it is no number or date.

    Args:
        text: The cell, without spaces around it.
        decimal: The decimal mark of a plain number.

    Examples:
        >>> from priory.data.tables.writings import writing_of
        >>> [writing_of(text).name for text in ("19,5", "12 %", "$1,200", "2024-01-31")]
        ['a number with a decimal comma', 'a percentage', 'an amount of money', 'a date']
        >>> writing_of("blue"), writing_of("A-12")
        (None, None)
    """
    if len(text) > 60 or not any(character.isdigit() for character in text):
        return None
    if DATE.fullmatch(text):
        return Writing("a time" if TIME_ALONE.fullmatch(text) else "a date", is_date=True)
    match = AMOUNT.fullmatch(text)
    if match is None or PLAIN[decimal].fullmatch(text):
        return None
    digits, other = match["digits"], "," if decimal == "." else "."
    if match["after"] in ("%", "‰"):
        return Writing("a percentage")
    if match["before"] or match["after"]:
        return Writing("an amount of money")
    if GROUPED.fullmatch(digits):
        return Writing("a number with a thousands separator")
    if PLAIN[other].fullmatch(digits) and other in digits:
        mark = "comma" if other == "," else "point"
        return Writing(f"a number with a decimal {mark}", is_decimal=True)
    return Writing("a number in a different format")
