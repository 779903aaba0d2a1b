"""What is wrong with the words of a command, as one sentence."""

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from priory.suggestions import did_you_mean
from priory.training import TrainingSettings

KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}


def options_of(command: Callable[..., Any]) -> dict[str, Any]:
    """Return what a command takes by name, with the type of each."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:  # how to train
            found |= options_of(TrainingSettings)
        else:
            found[name] = parameter.annotation
    return found


def in_one_sentence(
    message: str, words: Sequence[str], commands: Mapping[str, Callable[..., None]]
) -> str:
    """Say what was expected and what was got, and what was perhaps meant.

    Args:
        message: What the parser of the words says.
        words: The words after `priory`.
        commands: The commands by name.

    Examples:
        >>> from priory.commands import COMMANDS
        >>> from priory.commands.wording import in_one_sentence
        >>> words = ["encode", "runs/one", "--dta", "x.npy"]
        >>> in_one_sentence("unrecognized arguments: --dta x.npy", words, COMMANDS)
        'expected options of priory encode, got --dta; did you mean --data?'

    """
    command = next((word for word in words if word in commands), "")
    known = options_of(commands[command]) if command else {}
    if found := re.match(r"unrecognized arguments: (\S+)", message):
        return _unknown(command, known, found[1].partition("=")[0], "--")
    if found := re.match(r"Subcommand '\w+' does not accept option '([^']*)'", message):
        return _unknown(command, known, found[1], "")
    if found := re.search(r"invalid choice: '([^']*)'", message):
        names = f"expected a command ({', '.join(commands)}), got {found[1]!r}"
        return names + did_you_mean(found[1], commands)
    if found := re.match(r"the following arguments are required: .*\.(\w+)$", message):
        return f"expected {found[1].upper()} after priory {command}, got nothing; see --help."
    if found := re.match(r'(?:Parser key "config"|Problems parsing config): (.*)', message, re.S):
        return f"expected a file of options in YAML for config, got: {found[1]}"
    if found := re.match(r'Parser key "(\w+)":.*G(?:ot|iven) value: (.*)', message, re.S):
        name, value = found[1], " ".join(found[2].split())
        kind = _kind(known[name]) if name in known else None
        if kind is not None:
            near = did_you_mean(value, [v for v in _choices(known[name]) if isinstance(v, str)])
            return f"expected {kind} for {name}, got {value}{near}"
    return message


def _unknown(command: str, known: Mapping[str, Any], got: str, dashes: str) -> str:
    written = got if got.startswith(dashes) else repr(got)
    if not command:
        return f"expected a command, got {written} before one; see priory --help."
    spelt = got.lstrip("-").replace("_", "-") if dashes else got
    names = [n.replace("_", "-") if dashes else n for n in known]
    if spelt in names:
        return f"expected {written} after the command, got it before."
    near = did_you_mean(spelt, names, (dashes + "{}").format)
    return f"expected options of priory {command}, got {written}{near}"


def _kind(annotation: Any) -> str | None:
    """Say in words what values an annotation allows."""
    if annotation in KINDS:
        return KINDS[annotation]
    origin = get_origin(annotation)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(annotation)))}"
    if origin in (Union, types.UnionType):
        kinds = [_kind(one) for one in get_args(annotation)]
        return " or ".join(kind for kind in kinds if kind)
    if origin is dict:
        return "a mapping such as {name: value}"
    if origin in (list, Sequence):
        (item,) = get_args(annotation)
        return f"a list such as {'[300, 300]' if item is int else '[one, another]'}"
    return None


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for one in get_args(annotation) for choice in _choices(one))
