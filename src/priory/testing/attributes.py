"""Tensors that hide in plain attributes, where torch does not find them."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn


def tensors_in_attributes(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in attributes, dictionaries, lists and tuples of a module and its children.

    Buffers and parameters that are registered are kept elsewhere and not among them.
    """
    own = {"_parameters", "_buffers", "_modules"}
    for prefix, child in module.named_modules():
        for name, value in vars(child).items():
            if name not in own:
                yield from _within(f"{prefix}.{name}" if prefix else name, value)


def _within(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _within(f"{name}[{key!r}]", item)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _within(f"{name}[{i}]", item)


def modules_in_attributes(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules in attributes, dictionaries, lists and tuples that are no children."""

    def within(value: Any) -> Iterator[nn.Module]:
        if isinstance(value, nn.Module):
            yield value
        elif isinstance(value, dict):
            for item in value.values():
                yield from within(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from within(item)

    for child in module.modules():
        for name, value in vars(child).items():
            if name != "_modules":
                yield from within(value)
