"""The cells of the table of measures."""

import math
from collections.abc import Callable
from dataclasses import dataclass

NONE, MINUS = "none", "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """A number of one prior.

    Attributes:
        text: The number, or `none`.
        error: Its standard error, or nothing.
        best: Whether it is better than all others by more than the noise.

    """

    text: str
    error: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A measure.

    Attributes:
        name: What is measured.
        how: What to read it by.
        cells: The numbers, one for each prior.

    """

    name: str
    how: str
    cells: tuple[Cell, ...]


def plain(value: float) -> str:
    """Return a number of nats."""
    return f"{value:.2f}"


def percent(value: float) -> str:
    """Return a share."""
    return f"{100 * value:.1f} %"


def cell(
    value: float | None,
    error: float | None = None,
    *,
    form: Callable[[float], str] = plain,
    best: bool = False,
    mark: str = "",
) -> Cell:
    """Return the cell of a number with its standard error, where it has one."""
    if value is None or not math.isfinite(value):
        return Cell(NONE)
    known = error is not None and math.isfinite(error)
    text = mark + form(value).replace("-", MINUS)
    return Cell(text, f"± {form(error)}" if known and error is not None else "", best)
