"""What a configuration may build by class path: the user's own modules, and Lightning's."""

import re
from typing import Any, cast

from torch import nn

from priory.extras import needs

with needs("cli"):
    import jsonargparse
    from jsonargparse import ArgumentError


def build_module(what: str, described: dict[str, Any] | None) -> nn.Module | None:
    """Build a module of the user's own from its class path and arguments.

    Args:
        what: What to call it in an error.
        described: `{"class_path": ..., "init_args": {...}}`; None builds nothing.

    Raises:
        ValueError: If there is no such class, it is no module, or it takes other arguments.

    """
    if described is None:
        return None
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(nn.Module, what, required=True)
    return cast(nn.Module, _instantiate(parser, {what: described})[what])


def names_a_class(config: object) -> bool:
    """Whether a configuration names a class to be imported."""
    if isinstance(config, dict):
        return "class_path" in config or any(map(names_a_class, config.values()))
    return isinstance(config, list) and any(map(names_a_class, config))


def _instantiate(parser: Any, described: dict[str, Any]) -> Any:
    build = getattr(parser, "instantiate", None) or parser.instantiate_classes  # its older name
    try:
        return build(parser.parse_object(described))
    except ArgumentError as error:
        raise ValueError(_wording(str(error), described)) from error


def _wording(message: str, described: dict[str, Any]) -> str:
    """Say in one sentence what the parser says in many."""
    if found := re.search(r"Problem with given class_path '([^']*)':\s*(.*)", message):
        return (
            f"expected a class that can be imported for {next(iter(described))}, got {found[1]} "
            f"({found[2].strip().rstrip('.')}); run the command from the directory that holds its "
            "module, or install its package."
        )
    return message
