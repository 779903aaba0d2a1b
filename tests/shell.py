"""Commands as from the shell, quick ones and those that are refused."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


@contextmanager
def without_pictures() -> Iterator[None]:
    """Leave out the figures and the page of what is run, which take longer than all else."""

    def touch(path: Path, *_: Any) -> None:
        path.touch()

    with pytest.MonkeyPatch.context() as patch:
        for module, name, quick in (
            ("report.written", "write_figures", lambda *_: None),
            ("report.written", "write_page", touch),
            ("report.entries", "explore", lambda *_, **__: None),
            ("commands.report", "write_page", touch),
            ("commands.refit", "write_refit_figure", lambda *_: None),
        ):
            patch.setattr(importlib.import_module(f"priory.{module}"), name, quick)
        yield
