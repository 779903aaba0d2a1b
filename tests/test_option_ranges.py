"""Every option of every command, with values that nobody means: a result, or one sentence."""

import importlib
import shutil
import types
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import numpy as np
import pytest

from priory.cli import main
from priory.commands import command, parser, summaries
from shell import QUICK, SAMPLES, without_pictures

pytestmark = pytest.mark.usefixtures("few_permutations")
SMALL = [*QUICK, *SAMPLES, "--max-epochs", "1"]
BASE = {
    "train": ["--data", "x.npy", *SMALL, "--out", "OUT"],
    "compare": ["--data", "x.npy", *SMALL, "--priors", "standard", "--out", "OUT"],
    "refit": ["run", "--prior", "mog", "--max-epochs", "1", *SAMPLES, "--out", "OUT"],
    "evaluate": ["run", *SAMPLES, "--out", "OUT.json"],
    "report": ["run", *SAMPLES, "--out", "OUT.html"],
    "score": ["run", *SAMPLES, "--out", "OUT.npy"],
    "encode": ["run", "--out", "OUT.npy"],
    "sample": ["run", "-n", "3", "--out", "OUT.npy"],
    "interpolate": ["run", "--out", "OUT.npy"],
    "impute": ["run", "--data", "x.npy", "--out", "OUT.npy"],
    "check": ["nothing:here"],
    "demo": ["--out", "OUT"],
}
HOSTILE = (
    "0",
    "-5",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "1" + "0" * 12,
    "9" * 400,
    "4.000003",
    "",
    "[/x]",
)
HOSTILE += ("[]", "[0]", "[-1,5]", "[1000000000000]")
FEW = ("-5", "1" + "0" * 12)
NEVER = ("nan", "1e300", "9" * 400, "1" + "0" * 12)


def numeric_options(name: str) -> list[str]:
    """Return the options of a command that take a number, or a list of them, by their types."""
    hints = parser.parser_of(name, command(name)).hints
    return sorted(option for option, hint in hints.items() if {int, float} & kinds_in(hint))


def kinds_in(hint: Any) -> set[Any]:
    if get_origin(hint) in (Union, types.UnionType, list) or get_args(hint):
        return set().union(*map(kinds_in, get_args(hint)))
    return {hint}


OPTIONS = [(name, option) for name in summaries() for option in numeric_options(name)]


def test_every_command_is_tried():
    assert set(BASE) == set(summaries())
    assert len(OPTIONS) > 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranges")
    with pytest.MonkeyPatch.context() as patch, without_pictures():
        patch.chdir(folder)
        np.save("x.npy", np.random.default_rng(0).normal(size=(40, 4)))
        main(["train", "--data", "x.npy", *SMALL, "--out", "run"])
    return folder


def held(words: list[str], capsys) -> int:
    """Run a command, and hold it to its promise; return its status."""
    try:
        main(words)
        status = 0
    except SystemExit as stopped:
        status = stopped.code
    captured = capsys.readouterr()
    assert status in (0, 2), (words, status)
    errors = [line for line in captured.err.splitlines() if line.startswith("priory: error: ")]
    assert len(errors) == (status == 2), (words, captured.err)
    for error in errors:
        assert "please report it" not in error, (words, error)
        assert "Traceback" not in captured.err
        assert len(error) < 600, (words, error)
    return status


def spelled(name: str, option: str, value: str) -> list[str]:
    dashes = "-" if len(option) == 1 else "--"
    hint = parser.parser_of(name, command(name)).hints[option]
    flag = f"{dashes}{option.replace('_', '-')}"
    if hint == list[int] | None:  # two, one after the other
        return [flag, value, value]
    return [f"{flag}={value}" if dashes == "--" else flag] + ([value] if dashes == "-" else [])


@pytest.mark.parametrize(
    ("name", "values", "whole"),
    [
        *((name, FEW, False) for name in BASE),
        *(pytest.param(name, HOSTILE, True, marks=pytest.mark.slow) for name in BASE),
    ],
)
def test_an_absurd_number_is_refused_or_accepted(name, values, whole, folder, monkeypatch, capsys):
    """Of a few values only what is taken is seen, of all what comes of it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(parser, "parser_of", cache(parser.parser_of))
    if not whole:
        stop_before_work(monkeypatch, name)
    before = sorted(path.name for path in folder.iterdir())
    with without_pictures():
        for option in numeric_options(name):
            for value in values:
                status = held([name, *BASE[name], *spelled(name, option, value)], capsys)
                taken = ("1" + "0" * 12,) if option == "seed" else ()
                assert status == 2 or value in taken or value not in NEVER, (option, value)
                for made in {path.name for path in folder.iterdir()} - set(before):
                    assert status == 0, (option, value, made)
                    remove(folder / made)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def stop_before_work(patch, name: str) -> None:
    """Let a command stop with status 0 where all that it was asked is taken."""
    home = "comparison" if name == "compare" else name
    module = importlib.import_module(f"priory.commands.{home}")

    def begun(*_: object, **__: object) -> None:
        raise SystemExit(0)

    of = {"train": "training", "compare": "training", "report": "page"}
    called = {"train": "train", "compare": "train", "report": "entry", "refit": "fit_prior"}
    called |= {"evaluate": "measure", "score": "negative_log_likelihood", "sample": "decode"}
    called |= {"interpolate": "find_path", "check": "check_prior", "encode": "write_columns"}
    called |= {"impute": "open_run", "demo": "_compared"}
    patch.setattr(getattr(module, of[name]) if name in of else module, called[name], begun)
