"""What hides in plain attributes, where torch does not find it."""

from collections.abc import Iterator
from typing import Any

from torch import nn


def held_in_attributes(module: nn.Module, kind: type) -> Iterator[tuple[str, Any]]:
    """Yield by name what a module and its children hold of a kind, also in dictionaries and lists.

    Buffers, parameters and children that are registered are kept elsewhere and not among them.
    """
    registered = {"_parameters", "_buffers", "_modules"}
    for prefix, child in module.named_modules():
        for name, value in vars(child).items():
            if name not in registered:
                yield from _within(f"{prefix}.{name}" if prefix else name, value, kind)


def _within(name: str, value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _within(f"{name}[{key!r}]", item, kind)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _within(f"{name}[{i}]", item, kind)
