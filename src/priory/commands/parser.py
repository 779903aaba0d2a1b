"""The arguments of a command, from the command line and its configuration file."""

import argparse
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any, get_type_hints

from priory.extras import needs
from priory.runs.parsing import (
    Parser,
    assembled,
    check_types,
    choices_of,
    described_in,
    kind_of,
)
from priory.runs.plain_yaml import read_plain, without_classes, without_trainer
from priory.suggestions import did_you_mean, short

with needs("cli"):
    import yaml
    from docstring_parser import parse as parse_docstring
    from jsonargparse import DefaultHelpFormatter


class HelpFormatter(DefaultHelpFormatter):
    """Help without the parser's types: a short usage, and defaults if there are any."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, max_help_position=32, width=100, **settings)  # type: ignore[no-untyped-call]

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return str(action.metavar or action.dest.upper())
        value = f" {self._format_args(action, action.dest.upper())}" if action.nargs != 0 else ""
        return action.option_strings[0] + value

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if not action.option_strings or default in (None, False, "", argparse.SUPPRESS):
            return text.replace("%", "%%") if "%(" not in text else text
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        shown = shown.strip("()[]").replace(", ", ",") if isinstance(default, tuple) else shown
        return f"{text.rstrip('.')} ({shown}).".replace("%", "%%")

    def _format_usage(self, usage: Any, actions: Any, *_: Any, **__: Any) -> str:
        words = [a.metavar or a.dest.upper() for a in actions if not a.option_strings]
        return f"usage: {' '.join([self._prog, *map(str, words), '[options]'])}\n\n"


def parser_of(name: str, command: Callable[..., None]) -> Parser:
    """Return the parser of a command: one group per dataclass, then all other options."""
    about = parse_docstring(inspect.getdoc(command) or "")
    example = about.examples[0].description if about.examples else ""
    parser = Parser(
        prog=f"priory {name}",
        description="\n\n".join(filter(None, (about.short_description, about.long_description))),
        epilog=f"example: {example}" if example else None,
        formatter_class=HelpFormatter,
    )
    hints, described = get_type_hints(command), described_in(command)
    others = {}
    for key, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[key]):
            parser.add_options(hints[key])
        elif parameter.default is parameter.empty:
            parser.add_option(key, hints[key], parameter.default, described[key])
        else:
            others[key] = parameter.default
    group = parser.add_argument_group("Run")
    for key, default in others.items():
        parser.add_option(key, hints[key], default, described[key], group)
    text = "A YAML file of options; options on the command line override it."
    group.add_argument("--config", metavar="FILE", type=str, default=None, help=text)
    return parser


def arguments_of(name: str, command: Callable[..., None], words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a command.

    Args:
        name: Its name.
        command: The function.
        words: The words after its name.

    Raises:
        SystemExit: With status 0, after its help.
        ValueError: If an option is unknown, or a value is of the wrong type or out of range.
    """
    parser = parser_of(name, command)
    try:
        words = without_old_spellings(words, parser)
        first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        first.add_argument("--config")
        file = first.parse_known_args(words)[0].config
        if file is not None:
            values = without_trainer(read_plain(file))
            typed = {word.partition("=")[0].removeprefix("--") for word in words}
            kept = {n: v for n, v in values.items() if n.replace("_", "-") not in typed}
            kept = without_classes(kept, file, refuse=True)
            check_types(kept, parser.hints, str(file))
            parser.set_defaults(kept)
            if "run" in kept and words[0].startswith("-"):  # no run is given on the command line
                words = [kept["run"], *words]
        values = vars(parser.parse_args(words))
    except argparse.ArgumentError as error:
        raise ValueError(_in_one_sentence(str(error), name, parser)) from error
    except OverflowError as error:
        vast = next((word for word in words if re.search(r"\d{300}", word)), "one")
        raise ValueError(f"expected a number of at most 300 digits, got {short(vast)}.") from error
    hints = get_type_hints(command)
    return {
        key: assembled(hints[key], values) if is_dataclass(hints[key]) else values[key]
        for key in inspect.signature(command).parameters
    }


def without_old_spellings(words: Sequence[str], parser: Parser) -> list[str]:
    """Return the arguments with options of version 0.1 renamed to today's.

    Raises:
        ValueError: If only the user can translate an old option.
    """
    new: list[str] = []
    rest = iter(words)
    for word in rest:
        if match := re.match(r"--trainer(?:\.([\w.]+))?(?:=(.*))?$", word):
            if "precision" not in parser.hints:
                raise ValueError(f"expected no {word}, because this command does not train.")
            value = yaml.safe_load(match[2] or next(rest, ""))
            options = without_trainer({"trainer": {match[1]: value} if match[1] else value})
            new += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        elif match := re.match(r"--(encoder|decoder)\.", word):
            raise _module_name(match[1])
        elif new and new[-1] in ("--encoder", "--decoder") and "class_path" in word:
            raise _module_name(new[-1][2:])
        else:
            dashes, equals, value = word.partition("=")
            is_option = dashes.startswith("--")
            new.append((dashes.replace("_", "-") if is_option else dashes) + equals + value)
    return new


def _module_name(part: str) -> ValueError:
    return ValueError(
        f"expected the class of the {part} as --{part} package.module:Name, with its arguments in "
        f"--{part}-options '{{name: value}}', got the spelling of version 0.1."
    )


def _in_one_sentence(message: str, name: str, parser: Parser) -> str:
    """Say what was expected, what was given, and what may have been meant."""
    if match := re.match(r"unrecognized arguments: (\S+)", message):
        got, names = match[1].partition("=")[0], [n.replace("_", "-") for n in parser.hints]
        listed = f"; priory {name} --help lists them."
        near = did_you_mean(got.lstrip("-"), names, "--{}".format, listed)
        return f"expected options of priory {name}, got {got}{near}"
    if match := re.match(r"the following arguments are required: (\w+)$", message):
        return f"expected {match[1].upper()} after priory {name}, got nothing; see --help."
    if match := re.match(r"argument (\S+): expected (.*?) arguments?$", message):
        return f"expected {match[2]} values after {match[1]}, got a different number."
    if match := re.match(r"argument (--[\w-]+)/--no-\S+: ignored explicit argument (.*)", message):
        return f"expected {match[1]} without a value, got {short(match[2])}."
    if match := re.match(r'Parser key "(\w+)":.*G(?:ot|iven) value: (.*)', message, re.S):
        hint = parser.hints.get(match[1])
        if hint is not None and (kind := kind_of(hint)):
            words = [choice for choice in choices_of(hint) if isinstance(choice, str)]
            value = short(match[2])
            return f"expected {kind} for {match[1]}, got {value}{did_you_mean(value, words)}"
    return " ".join(message.split())
