"""A measure: a question whose answer is a number, and how to read it."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from torch import Tensor

MINUS = "\N{MINUS SIGN}"
DOUBTFUL = "† "
"""Marks a number that says little, as its note explains."""


@dataclass(frozen=True)
class Value:
    """A number with its standard error, or one of each per level, label or batch.

    Attributes:
        number: The number, or several.
        error: Its standard error, or None.
        mark: A sign printed before it.
        of: Text printed after it, such as the total.
        note: How to read it, in addition to the measure's `reading`. These three come from
            [`Measure.remark`][priory.evaluation.Measure].
    """

    number: float | tuple[float, ...]
    error: float | tuple[float, ...] | None = None
    mark: str = ""
    of: str = ""
    note: str = ""


@dataclass(frozen=True)
class Measure:
    """A question about a trained model, as a row of the table of measures.

    If the result is more than a number, the measure returns a dataclass. JSON then contains the
    whole result under the first part of the name, and the rest of the name leads to the number:
    `surgery.marginal_kl` is the `marginal_kl` of the result of `surgery`.

    Attributes:
        name: The key of the number in JSON; dots make it a path.
        title: The label of the number in a table; without one it is only in JSON.
        reading: What the number means, and how to read it.
        compute: Computes the answer from a `Study`; None if the question does not apply.
        unit: The unit of the number: `nats`, `share`, `count`, or nothing for a dimensionless
            number.
        better: Which direction is better; None if neither is.
        perfect: The number of a perfect model, if there is one.
        covers: What the standard error covers; empty for a number without one.
        form: How to format the number, as a format specification.
        quick: Whether it is one of the few measures for comparing priors.
        of_top: Whether it applies only to the top if there are several levels of latents.
        of_counts: Whether it is one of the additional measures for models of counts.
        absent: What a table shows for a model without this number.
        remark: Remarks about this number, derived from all results in JSON: the `mark`, `of` and
            `note` of its `Value`.
    """

    name: str
    title: str
    reading: str
    compute: Callable[[Any], Any]
    unit: Literal["nats", "share", "count", ""] = ""
    better: Literal["lower", "higher"] | None = None
    perfect: float | None = None
    covers: str = ""
    form: str = ".2f"
    quick: bool = False
    of_top: bool = False
    of_counts: bool = False
    absent: str = "n/a"
    remark: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None

    def answer(self, result: Any) -> dict[str, Any]:
        """Return the result of `compute` for JSON."""
        first = self.name.partition(".")[0]
        if result is None and first != self.name:
            return {first: None}
        if not isinstance(result, Value | int | float | None):
            return {first: plain(result)}
        number, error = (
            (result.number, result.error) if isinstance(result, Value) else (result, None)
        )
        return {self.name: number} | ({f"{self.name}_standard_error": error} if self.covers else {})

    def read(self, record: Mapping[str, Any]) -> Value | None:
        """Return the number from the results in JSON, or None if it is missing.

        Examples:
            >>> from priory.evaluation.measure import Measure
            >>> rate = Measure("rate", "rate", "nats spent on the code", lambda study: None)
            >>> rate.read({"rate": 2.5, "rate_standard_error": 0.25}).error
            0.25
        """
        beside: Mapping[str, Any] = {}
        node: Any = record
        for key in self.name.split("."):
            if not isinstance(node, Mapping):
                return None
            beside, node = node, node.get(key)
        error = beside.get(f"{key}_standard_error", beside.get("standard_error"))
        if isinstance(node, Mapping):
            node, error = node.get("value", node.get("mean")), node.get("standard_error")
        if isinstance(node, list | tuple):
            node = tuple(math.nan if number is None else number for number in node)
            error = tuple(error) if isinstance(error, list | tuple) else None
        elif not isinstance(node, int | float) or math.isnan(node):
            return None
        elif error is not None and not math.isfinite(error):
            error = None
        said = dict(self.remark(record)) if self.remark else {}
        if self.of_top and record.get("num_levels", 1) > 1:
            said["note"] = "; ".join(filter(None, (said.get("note"), "of the top level")))
        return Value(node, error, **said)

    def text(self, value: Value | None) -> tuple[str, str]:
        """Return the number as printed, and its standard error."""
        if value is None:
            return self.absent, ""
        return value.mark + self._written(value.number) + value.of, (
            "" if value.error is None else f"± {self._written(value.error)}"
        )

    def how(self, values: Iterable[Value | None] = ()) -> str:
        """Return how to read numbers of this measure."""
        best = "" if self.perfect is None else f"{self._short(self.perfect)} is perfect"
        notes = dict.fromkeys(value.note for value in values if value is not None and value.note)
        said = (self.reading, best or (f"{self.better} is better" if self.better else ""))
        return "; ".join(filter(None, (*said, " or ".join(notes))))

    def _short(self, number: float) -> str:
        return f"{100 * number:g}%" if self.form.endswith("%") else f"{number:g}"

    def _written(self, number: float | tuple[float, ...]) -> str:
        if isinstance(number, tuple):
            return ", ".join(map(self._written, number))
        return format(number, self.form).replace("-", MINUS)


def what_errors_cover(measures: Iterable[Measure]) -> str:
    """Say what the standard errors of measures cover, in a sentence; empty if there are none."""
    covered: dict[str, list[str]] = {}
    for measure in measures:
        if measure.covers and measure.title:
            covered.setdefault(measure.covers, []).append(measure.title)
    parts = (f"{covers} ({', '.join(titles)})" for covers, titles in covered.items())
    return f"± is one standard error: {'; '.join(parts)}." if covered else ""


def plain(value: Any, finite: bool = False) -> Any:
    """Return numbers, tensors and dataclasses in a form that JSON can represent.

    Args:
        value: The result; a dataclass may define a method `as_json` that returns what to write.
        finite: Whether numbers that are not finite become None, because JSON does not support them.

    Examples:
        >>> import torch
        >>> from priory.evaluation.measure import plain
        >>> plain((torch.tensor([1.0, torch.nan]), 2), finite=True)
        [[1.0, None], 2]
    """
    if hasattr(value, "as_json"):
        return plain(value.as_json(), finite)
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name), finite) for one in fields(value)}
    if isinstance(value, Tensor):
        return plain(value.tolist(), finite)
    if isinstance(value, Mapping):
        return {name: plain(one, finite) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, finite) for one in value]
    return None if finite and isinstance(value, float) and not math.isfinite(value) else value
