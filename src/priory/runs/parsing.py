"""Options for the parser, from the command line or from a file: one group per dataclass."""

import argparse
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from priory.extras import needs
from priory.suggestions import did_you_mean, short

with needs("cli"):
    import jsonargparse
    from docstring_parser import parse as parse_docstring

T = TypeVar("T")
KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}


class Parser(jsonargparse.ArgumentParser):
    """A parser that raises its errors as one-sentence exceptions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(exit_on_error=False, default_env=False, allow_abbrev=False, **settings)
        self.hints: dict[str, Any] = {}

    def add_options(self, options: type) -> None:
        """Add the options of a dataclass, or of the dataclasses in it, as groups."""
        for group in groups_of(options):
            title = (inspect.getdoc(group) or "").partition("\n")[0].rstrip(".")
            container, described = self.add_argument_group(title), described_in(group)
            hints = get_type_hints(group)
            for field in fields(group):
                if field.name in described and "hidden" not in field.metadata:
                    text = described[field.name]
                    self.add_option(field.name, hints[field.name], field.default, text, container)

    def add_option(
        self, name: str, hint: Any, default: Any, text: str, container: Any = None
    ) -> None:
        """Add one option; without a default it becomes a positional argument."""
        name = name.removesuffix("_")  # from a keyword of Python
        self.hints[name] = hint
        settings: dict[str, Any] = {"help": text, "type": hint}
        if default is not MISSING and default is not inspect.Parameter.empty:
            settings["default"] = default
        if hint is bool:
            del settings["type"]
            # The opposite of an option that begins with "no" would be taken for the option itself.
            opposite = None if name.startswith("no_") else "no-"
            settings["action"] = jsonargparse.ActionYesNo("", opposite)  # type: ignore[arg-type]
        elif hint == list[int] | None:  # two values, one after the other
            settings |= {"type": int, "nargs": 2}
        elif hint == list[str]:
            settings |= {"type": str, "nargs": "+"}
        if "default" not in settings:
            if type(None) in get_args(hint):  # an argument that may be left out
                settings |= {"nargs": "?"}
            (container or self).add_argument(name, **settings)
            return
        dashes = "-" if len(name) == 1 else "--"
        if hint is not bool:
            settings["metavar"] = _metavar(hint)
        flags = [f"{dashes}{name.replace('_', '-')}", *([f"--{name}"] if len(name) == 1 else [])]
        (container or self).add_argument(*flags, dest=name, **settings)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Raise the error."""
        raise argparse.ArgumentError(None, message) from ex


def checked(options: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return a dataclass of options from values by name, with defaults for those not given.

    Args:
        options: The dataclass, or one that contains others.
        values: The values.
        where: Where they come from.

    Raises:
        ValueError: If a name is unknown, or a value is of the wrong type or out of range.
    """
    hints = {
        field.name.removesuffix("_"): get_type_hints(group)[field.name]
        for group in groups_of(options)
        for field in fields(group)
    }
    check_types(values, hints, where)
    return assembled(options, values)


def check_types(values: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> None:
    """Check that values from a file have the types of their options.

    Args:
        values: The values by name.
        hints: The types by name.
        where: Where the values come from.

    Raises:
        ValueError: If a name is unknown, or a value is of the wrong type.
    """
    for name, value in values.items():
        if name not in hints:
            near = did_you_mean(name, hints)
            raise ValueError(f"expected options by name in {where}, got {name!r}{near}")
        parser = Parser()
        parser.add_option(name, hints[name], None, "")
        try:
            if value is None and type(None) not in get_args(hints[name]):
                raise TypeError
            parser.parse_object({name: value})
        except (argparse.ArgumentError, TypeError) as error:
            got = "null" if value is None else short(value)
            raise ValueError(
                f"expected {kind_of(hints[name])} for {name} in {where}, got {got}."
            ) from error


def assembled(options: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass of options from checked values, in its groups."""
    if not any(is_dataclass(group) for group in get_type_hints(options).values()):
        names = {f.name.removesuffix("_"): f.name for f in fields(options)}  # type: ignore[arg-type]
        given = {names[name]: value for name, value in values.items() if name in names}
        return options(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})
    hints = get_type_hints(options)
    groups = {f.name: hints[f.name] for f in fields(options)}  # type: ignore[arg-type]
    return options(**{name: assembled(group, values) for name, group in groups.items()})


def flat(options: Any) -> dict[str, Any]:
    """Return all options of a dataclass by name, as in a file."""
    if any(is_dataclass(getattr(options, field.name)) for field in fields(options)):
        groups = (flat(getattr(options, field.name)) for field in fields(options))
        return {name: value for group in groups for name, value in group.items()}
    shown = {field.name for field in fields(options) if "hidden" not in field.metadata}
    return {n.removesuffix("_"): _plain(v) for n, v in asdict(options).items() if n in shown}


def groups_of(options: type) -> Iterator[type]:
    """Return the dataclasses in a dataclass, or itself if it has none."""
    held = [h for h in get_type_hints(options).values() if isinstance(h, type) and is_dataclass(h)]
    yield from (group for one in held for group in groups_of(one)) if held else (options,)


def described_in(documented: Any) -> dict[str, str]:
    """Return the description of each argument of a function, or field of a dataclass."""
    bases = [*reversed(documented.__mro__)] if isinstance(documented, type) else [documented]
    return {
        param.arg_name: " ".join((param.description or "").split())
        for base in bases
        for param in parse_docstring(inspect.getdoc(base) or "").params
    }


def kind_of(hint: Any) -> str | None:
    """Describe the values that a type hint allows."""
    if hint in KINDS:
        return KINDS[hint]
    origin = get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if origin in (Union, types.UnionType):
        kinds = [kind_of(one) for one in get_args(hint)]
        return " or ".join(kind for kind in kinds if kind)
    if origin is dict:
        return "a mapping such as {name: value}"
    if origin in (list, Sequence):
        (item,) = get_args(hint)
        return f"a list such as {'[300, 300]' if item is int else '[one, another]'}"
    return None


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Return the words that a type hint allows, if it lists them."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for one in get_args(hint) for choice in choices_of(one))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [*map(_plain, value)] if isinstance(value, list | tuple) else value


def _metavar(hint: Any) -> str:
    choices = choices_of(hint)
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices) if len("".join(choices)) < 30 else "NAME"
    kinds = [one for one in (get_args(hint) or (hint,)) if one is not type(None)]
    origins = {get_origin(kind) or kind for kind in kinds}
    if dict in origins:
        return "{NAME: VALUE}"
    if origins & {list, Sequence}:
        return "[N,...]" if kinds == [Sequence[int]] or Sequence in origins else "LIST"
    return "TEXT" if str in origins else "N"
