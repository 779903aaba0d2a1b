"""The commands: functions whose signatures are the options, one per file."""

import ast
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path


@cache
def summaries() -> dict[str, str]:
    """Return the first line about each command, by name, without importing any.

    A file in this folder is a command if it contains a function with the same name.
    """
    lines = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == file.stem:
                lines[node.name] = (ast.get_docstring(node) or "").partition("\n")[0]
    return lines


def command(name: str) -> Callable[..., None]:
    """Import a command."""
    function: Callable[..., None] = getattr(import_module(f"{__name__}.{name}"), name)
    return function
