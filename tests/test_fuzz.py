"""The promise of every command, on inputs that a machine makes up.

Either status 0 with a result that can be read back, or status 2 with one sentence, nothing written
by halves and no name imported; within two gigabytes and twenty seconds. In the suite a few examples
of each kind are tried; `python tests/test_fuzz.py --minutes 60` tries new ones for an hour, keeps
what breaks the promise in a folder, and says how many there were.
"""

import argparse
import collections
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy

from forked import readable, run_forked, state_of, warm_up
from fuzzed import EVIL, IMPORTED, KINDS, QUICK, Example
from priory.cli import main
from shell import without_pictures

pytestmark = pytest.mark.slow


HOURS = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def examples_of(kind: str, start: Path) -> SearchStrategy[Example]:
    """Return examples of a kind; those of runs damage the one that was trained."""
    return KINDS[kind](start / "run") if kind == "runs" else KINDS[kind]()


def trained(folder: Path) -> Path:
    """Train a run for the fuzzer to damage, and return the folder that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(30, 3)).astype("f4"))
    (folder / "evil.py").write_text(EVIL)
    data = ["--data", str(folder / "x.npy"), "--latent-dim", "2", "--num-components", "2"]
    with without_pictures():
        main(["train", *data, *QUICK, "--out", str(folder / "run"), "--quiet"])
    return folder


def broken_promise(
    example: Example, start: Path, folder: Path, statuses: list[int] | None = None
) -> str:
    """Run an example in a folder of its own, and say which promise it breaks."""
    work = folder / "work"
    shutil.copytree(start, work)
    example.write(work)
    for number, words in enumerate([example.words, *example.then]):
        before = state_of(work)
        ended = run_forked(words, work)
        if statuses is not None:
            statuses.append(ended.status)
        # A prior that does not pass is no fault of the command that says so.
        fault = "" if words[0] == "check" and ended.status == 1 else ended.broken_promise()
        if not fault and (work / IMPORTED).exists():
            fault = "a name was imported"
        after = state_of(work)
        if not fault and ended.status == 2:
            if changed := sorted(
                key for key in before | after if before.get(key) != after.get(key)
            ):
                fault = f"refused, and changed {changed[:4]}"
            elif 0 < number <= example.must:
                fault = "refused, though what it needs was written by the command before"
        if not fault and ended.status == 0:
            fault = _unreadable(work, before, after)
        if fault:
            return f"{words[0]} {fault}: {' '.join(words)[:600]}\n{ended.error[-1500:]}"
        if ended.status:
            break
    return ""


def _unreadable(work: Path, before: dict[str, bytes], after: dict[str, bytes]) -> str:
    for name in after:
        if before.get(name) != after[name] and not (work / name).is_dir():
            if name.endswith(".unfinished") or "/." in f"/{name}":
                return f"left {name}"
            try:
                readable(work / name)
            except Exception as error:
                return f"wrote {name}, which cannot be read: {error!r}"
    return ""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        warm_up()
        trained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_keeps_its_promise(kind, start, tmp_path):
    @settings(HOURS, max_examples=6, derandomize=True)
    @given(examples_of(kind, start))
    def keeps(example: Example) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder, without_pictures():
            fault = broken_promise(example, start, Path(folder))
        assert not fault, f"{fault}\n{example.about}"

    keeps()


class Fuzzer:
    """Tries examples until its time is over, and keeps the first of each kind of fault."""

    def __init__(self, start: Path, keep: Path, minutes: float) -> None:
        self.start, self.keep = start, keep
        self.until = time.monotonic() + 60 * minutes
        self.tried: collections.Counter[str] = collections.Counter()
        self.ended_well: collections.Counter[str] = collections.Counter()
        self.broken: collections.Counter[str] = collections.Counter()
        self.faults: set[str] = set()

    def summary(self) -> str:
        counts = {"tried": self.tried, "ended well": self.ended_well, "broken": self.broken}
        return json.dumps({**counts, "kinds of fault": len(self.faults)})

    def try_some(self, kind: str, seed: int) -> None:
        @seeded(seed)
        @settings(HOURS)
        @given(examples_of(kind, self.start))
        def keeps(example: Example) -> None:
            if time.monotonic() < self.until:
                self._try(kind, example)

        keeps()

    def _try(self, kind: str, example: Example) -> None:
        with tempfile.TemporaryDirectory() as folder:
            statuses: list[int] = []
            fault = broken_promise(example, self.start, Path(folder), statuses)
            self.tried[kind] += 1
            self.ended_well[kind] += statuses[0] == 0
            if not fault:
                return
            self.broken[kind] += 1
            key = f"{kind} {fault.partition(':')[0]} {fault.rpartition('error: ')[2][:40]}"
            if key in self.faults:
                return
            self.faults.add(key)
            print(f"-- {kind}: {fault}\n{example.about}\n", flush=True)
            place = self.keep / f"{kind}-{len(self.faults)}"
            shutil.copytree(Path(folder) / "work", place, dirs_exist_ok=True)
            (place / "fault.txt").write_text(f"{fault}\n{example.about}\n")


def fuzz(minutes: float, kinds: list[str], keep: Path, seed: int) -> int:
    """Try new examples for some time, and return how many kinds of fault there were."""
    warm_up()
    fuzzer = Fuzzer(trained(Path(tempfile.mkdtemp()) / "start"), keep, minutes)
    rounds = 0
    with without_pictures():
        while time.monotonic() < fuzzer.until:
            fuzzer.try_some(kinds[rounds % len(kinds)], seed + rounds)
            rounds += 1
            if rounds % len(kinds) == 0:
                print(fuzzer.summary(), flush=True)
    print(fuzzer.summary())
    return len(fuzzer.faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    sys.exit(1 if fuzz(asked.minutes, asked.kinds, asked.keep, asked.seed) else 0)
