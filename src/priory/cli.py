"""The command line: `priory COMMAND --option value`."""

import sys
from collections.abc import Sequence

from priory.extras import needs


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error in what was asked is one sentence and exit status 2.

    Args:
        arguments: The words after `priory`; by default those of the shell.

    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with needs("cli"):
            import jsonargparse

            from priory.commands import COMMANDS
        jsonargparse.auto_cli(
            COMMANDS,
            args=[_dashed(word) for word in words],
            as_positional=False,
            prog="priory",
            description="Priors for latent variable models: train, measure and look at them.",
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, TypeError, OSError, ImportError, ArithmeticError) as error:
        print(f"priory: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


def _dashed(word: str) -> str:
    name, equals, value = word.partition("=")
    return (
        name.replace("-", "_").replace("__", "--", 1) + equals + value
        if word.startswith("--")
        else word
    )
