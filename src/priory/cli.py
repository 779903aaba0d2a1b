"""The command line: `priory COMMAND --option value`."""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from priory.extras import needs


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error in what was asked is one sentence and exit status 2.

    Args:
        arguments: The words after `priory`; by default those of the shell.

    """
    try:
        with needs("cli"):
            import jsonargparse

            from priory.commands import COMMANDS
    except ImportError as error:
        _refuse(str(error))

    class Parser(jsonargparse.ArgumentParser):
        """Options are written with dashes, those of yes or no alone, and errors in one line."""

        def add_argument(self, *names: str, **settings: Any) -> Any:
            dashed = [n.replace("_", "-") if n.startswith("--") else n for n in names]
            if settings.get("type") is bool:
                settings.pop("type")
                settings["action"] = jsonargparse.ActionYesNo(yes_prefix="", no_prefix="no-")
            return super().add_argument(*dashed, **settings)

        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            _refuse(message)

    try:
        jsonargparse.auto_cli(
            COMMANDS,
            args=None if arguments is None else list(arguments),
            parser_class=Parser,
            prog="priory",
            allow_abbrev=False,
            description="Priors for latent variable models: train, measure and look at them.",
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    print(f"priory: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
