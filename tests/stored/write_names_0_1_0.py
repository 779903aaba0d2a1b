"""Write `0.1.0/names.json`: run with version 0.1.0 alone, in a checkout of it.

    PYTHONPATH=<a checkout of 0.1.0>/src python tests/stored/write_names_0_1_0.py

Every name in `__all__` of the package and of its public subpackages, by the module that exports it,
and every name on a page of the reference, with the public members that the page shows. A name that
no `__all__` has stands under the module that the reference names it in.
"""

import inspect
import json
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import priory

PACKAGE = Path(priory.__file__).parent
REFERENCE = PACKAGE.parents[1] / "docs" / "reference"
TARGET = Path(__file__).parent / "0.1.0" / "names.json"


def exported() -> dict[str, list[str]]:
    """Return the names of every `__all__`, by its module."""
    modules = [priory]
    for found in pkgutil.walk_packages(priory.__path__, "priory."):
        if "._" not in found.name:
            modules.append(import_module(found.name))
    return {m.__name__: sorted(m.__all__) for m in modules if hasattr(m, "__all__")}


def members(cls: type) -> list[str]:
    """Return the public members of a class that its page shows: those with a docstring."""
    fields = getattr(cls, "__dataclass_fields__", {})
    documented = [
        name
        for name, value in vars(cls).items()
        if inspect.getdoc(getattr(value, "__func__", value))
        and (inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod))
    ]
    return [name for name in (*fields, *documented) if not name.startswith("_")]


def shown(path: str) -> list[tuple[str, str]]:
    """Return the names that a line of the reference shows, each with its module."""
    module, _, name = path.rpartition(".")
    owner = import_module(module)
    if isinstance(getattr(owner, name), ModuleType):
        owner = getattr(owner, name)
        return [pair for name in owner.__all__ for pair in shown(f"{path}.{name}")]
    value = getattr(owner, name)
    more = members(value) if isinstance(value, type) else []
    return [(module, name), *((module, f"{name}.{member}") for member in more)]


def write() -> None:
    """Write the names."""
    names = exported()
    for page in sorted(REFERENCE.glob("*.md")):
        for path in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.M):
            for module, name in shown(path):
                names.setdefault(module, []).append(name)
    unique = {module: sorted(set(own)) for module, own in sorted(names.items())}
    TARGET.write_text(json.dumps(unique, indent=1) + "\n")


if __name__ == "__main__":
    write()
