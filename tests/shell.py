"""Commands as from the shell, quick ones and those that are refused."""

import pytest

from priory.cli import main

QUICK = ["--max-epochs", "2", "--hidden-sizes", "[8]", "--num-components", "4", "--latent-dim", "3"]


SAMPLES = ["--importance-samples", "8"]


def refused(arguments: list[str], message: str, capsys) -> None:
    """Expect one sentence and status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert message in error, error
    assert stopped.value.code == 2
    assert error.startswith("priory: error: ")
    assert error.count("\n") == 1
