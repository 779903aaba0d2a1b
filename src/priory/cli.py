"""The command line: `priory COMMAND --option value`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from priory.extras import needs

WORDS: dict[Any, Any] = {list[str]: (str, "+"), list[int] | None: (int, 2)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error in what was asked is one sentence and exit status 2.

    Args:
        arguments: The words after `priory`; by default those of the shell.

    """
    try:
        with needs("cli"):
            import jsonargparse

            from priory.commands import COMMANDS, for_parser
            from priory.commands.wording import in_one_sentence
    except ImportError as error:
        _refuse(str(error))

    words = sys.argv[1:] if arguments is None else list(arguments)

    class Parser(jsonargparse.ArgumentParser):
        """Options are written with dashes, those of yes or no alone, and errors in one line."""

        def add_argument(self, *names: str, **settings: Any) -> Any:
            dashed = [n.replace("_", "-") if n.startswith("--") else n for n in names]
            dashed = [f"-{n[2:]}" for n in names if len(n) == 3 and n[1] == "-"] + dashed
            hint = getattr(settings.get("action"), "_typehint", None)
            if hint in WORDS:  # one after another, with no brackets
                del settings["action"]
                kind, count = WORDS[hint]
                settings |= {"type": kind, "nargs": count}
            if settings.get("type") is bool:
                settings.pop("type")
                settings["action"] = jsonargparse.ActionYesNo(yes_prefix="", no_prefix="no-")
            return super().add_argument(*dashed, **settings)

        def instantiate(self, namespace: Any, *_: Any, **__: Any) -> Any:
            """Leave classes that are named to the commands, which know what may be built."""
            own = namespace[namespace.subcommand]
            for name, value in vars(own).items():
                setattr(own, name, _plain(value))
            return namespace

        instantiate_classes = instantiate

        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            _refuse(in_one_sentence(message, words, COMMANDS))

    def _plain(value: Any) -> Any:
        if isinstance(value, jsonargparse.Namespace):
            value = vars(value)
        if isinstance(value, dict):
            return {name: _plain(one) for name, one in value.items()}
        return [_plain(one) for one in value] if isinstance(value, list) else value

    try:
        with _working_directory_last():
            jsonargparse.auto_cli(
                for_parser(words),
                args=words,
                parser_class=Parser,
                prog="priory",
                allow_abbrev=False,
                description="Priors for latent variable models: train, measure and look at them.",
            )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        _refuse(str(error))


@contextmanager
def _working_directory_last() -> Iterator[None]:
    """Let a user's own classes be found where the command is run."""
    sys.path.append("")
    try:
        yield
    finally:
        sys.path.remove("")


def _refuse(message: str) -> NoReturn:
    print(f"priory: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
