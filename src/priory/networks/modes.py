"""The modules behind a callable, and their modes."""

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from torch import nn

DEPTH = 3
"""The maximum number of steps to a module: from a method to its owner to an attribute of it."""


def modules_behind(*functions: object) -> list[nn.Module]:
    """Return the modules that callables are or use, none of them inside another.

    A module is found through its methods, a `partial`, the attributes of a method's owner, and the
    names that a function captures.

    Examples:
        >>> from torch import nn
        >>> from priory.networks.modes import modules_behind
        >>> net = nn.Linear(3, 2)
        >>> modules_behind(net.forward, lambda x: net(x))
        [Linear(in_features=3, out_features=2, bias=True)]
    """
    reached = {id(m): m for function in functions for m in _reached(function, DEPTH)}
    inner = {id(m) for root in reached.values() for m in root.modules() if m is not root}
    return [module for module in reached.values() if id(module) not in inner]


def _reached(function: object, depth: int) -> Iterator[nn.Module]:
    if isinstance(function, nn.Module):
        yield function
    elif depth > 0:
        for value in _values(function):
            yield from _reached(value, depth - 1)


def _values(function: Any) -> Iterable[object]:
    """Return the attributes of a callable, or of its owner."""
    if isinstance(function, type | ModuleType):  # these have much that they do not use
        return []
    if isinstance(function, partial):
        return [function.func, *function.args, *function.keywords.values()]
    if inspect.ismethod(function):
        return [function.__self__]
    if inspect.isfunction(function):
        return [*_enclosed(function), *_globals(function), *(function.__defaults__ or ())]
    return list(getattr(function, "__dict__", {}).values())


def _enclosed(function: Any) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _globals(function: Any) -> Iterator[object]:
    for step in dis.get_instructions(function):
        if step.opname == "LOAD_GLOBAL" and step.argval in function.__globals__:
            yield function.__globals__[step.argval]


@contextmanager
def evaluation_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Put modules, but not their children, into evaluation mode, and restore all modes."""
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def all_behind(function: Callable[..., Any]) -> list[nn.Module]:
    """Return every module that a callable uses, including nested ones."""
    return [module for root in modules_behind(function) for module in root.modules()]
