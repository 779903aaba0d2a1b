"""The command line: `priory COMMAND --option value`."""

import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NoReturn

from priory.printing import printable
from priory.suggestions import did_you_mean, short

LONG = 300
"""The longest argument that an error quotes completely: paths can be this long, but not values."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error in the request is one sentence and exit status 2.

    Args:
        arguments: The arguments after `priory`; by default those of the command line.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    name = words[0] if words else "--help"
    try:
        with _warnings_in_a_line(), _ended_by_signals():
            _run(name, words[1:])
    except KeyboardInterrupt:
        print("priory: interrupted.", file=sys.stderr)
        sys.exit(130)
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        if debug:
            raise
        _refuse(_about_file(error) if isinstance(error, OSError) else str(error))
    except Exception as error:
        if debug:
            raise
        _refuse(
            f"unexpected {type(error).__name__}: {error}; please report it, with the output of "
            "--debug."
        )


def _run(name: str, words: list[str]) -> None:
    from priory.commands import command, summaries

    commands = summaries()
    if name in ("-h", "--help"):
        print(_overview(commands))
    elif name == "--version":
        print(version("priory"))
    elif name not in commands:
        if name.startswith("-"):
            raise ValueError(f"expected a command, got {name} before one; see priory --help.")
        near = did_you_mean(name, commands)
        raise ValueError(f"expected a command ({', '.join(commands)}), got {name!r}{near}")
    else:
        from priory.commands.parser import arguments_of

        asked = command(name)
        asked(**arguments_of(name, asked, words))


def _overview(commands: dict[str, str]) -> str:
    lines = [f"  {name:<12} {summary}" for name, summary in commands.items()]
    return "\n".join(
        [
            "usage: priory COMMAND [options]",
            "",
            "Priors for latent variable models: train, measure and look at them.",
            "",
            *lines,
            "",
            "priory COMMAND --help lists the options of a command; --debug shows where an "
            "error occurred.",
        ]
    )


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        _warn(str(message))

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=DeprecationWarning, module="priory")
        warnings.showwarning = show
        yield


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn a termination signal into an exception, so that unfinished work is cleaned up."""

    def stop(number: int, _: Any) -> NoReturn:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _about_file(error: OSError) -> str:
    """Return the message of a system error, as a sentence."""
    if error.strerror is None or str(error).startswith("expected"):
        return str(error)
    where = f" at {error.filename}" if error.filename else ""
    return (
        f"expected to read and write files{where}, got: {error.strerror}; the files that were "
        "there before are intact."
    )


def _warn(message: str) -> None:
    print(f"priory: warning: {printable(' '.join(message.split()))}", file=sys.stderr)


def _refuse(message: str) -> NoReturn:
    words = (word if len(word) <= LONG else short(word) for word in message.split())
    print(f"priory: error: {printable(' '.join(words))}", file=sys.stderr)
    sys.exit(2)
