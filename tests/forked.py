"""A command run in a forked child of this process, and what it did: the promise of the fuzzer."""

import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from priory.cli import main

SECONDS = 20
MEMORY = 2 * 2**30  # bytes beyond those of this process
SENTENCE = re.compile(r"priory: error: \S.*\.?\n")
OURS = "expected |no "
REPORT_IT = "please report it"


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, what it printed, its time and what it took of memory."""

    status: int
    out: str
    error: str
    seconds: float
    memory: int

    def broken_promise(self) -> str:
        """Say which promise this breaks; nothing where it breaks none."""
        if self.seconds >= SECONDS:
            return f"took {self.seconds:.0f} s"
        if self.memory > MEMORY:
            return f"took {self.memory / 2**30:.1f} GiB"
        if self.status not in (0, 2):
            return f"ended with status {self.status}"
        lines = [
            line
            for line in self.error.splitlines(keepends=True)
            if not line.startswith("priory: warning: ")
            and " contains training examples" not in line
        ]
        if "Traceback" in self.error:
            return "printed a traceback"
        if self.status == 0:
            return "printed an error, and ended well" if "priory: error" in self.error else ""
        if len(lines) != 1 or not SENTENCE.fullmatch(lines[0]):
            return f"expected one sentence, got {len(lines)} lines"
        if REPORT_IT in self.error:
            return "nobody had thought of it"
        if not re.match(OURS, lines[0].removeprefix("priory: error: ")):
            return "the sentence of somebody else"
        return "a sentence of over 1,000 characters" if len(self.error) > 1000 else ""


def run_forked(words: Sequence[str], folder: Path) -> Ended:
    """Run a command in a child, in a folder, with one thread, its memory and its time limited."""
    return _forked(lambda: main(list(words)), folder)


def _forked(work: Callable[[], object], folder: Path) -> Ended:
    out, error = folder.parent / f"{folder.name}.out", folder.parent / f"{folder.name}.err"
    begun = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _child(work, folder, out, error)
    status, usage = _wait(child, begun + SECONDS)
    ended = Ended(
        status,
        out.read_text(errors="replace"),
        error.read_text(errors="replace"),
        time.monotonic() - begun,
        max(0, usage.ru_maxrss * 1024 - _resident()) if usage else 0,
    )
    out.unlink()
    error.unlink()
    return ended


def _wait(child: int, until: float) -> tuple[int, resource.struct_rusage | None]:
    while time.monotonic() < until:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.wait4(child, 0)
    return -signal.SIGKILL, None


def _child(work: Callable[[], object], folder: Path, out: Path, error: Path) -> None:
    status = 70
    try:
        for number, path in ((1, out), (2, error)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(folder)
        sys.path.insert(0, "")  # as in a shell: what lies in the folder could be imported
        limit = _resident(address_space=True) + 2 * MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _resident(*, address_space: bool = False) -> int:
    size, resident = Path("/proc/self/statm").read_text().split()[:2]
    return int(size if address_space else resident) * resource.getpagesize()


def state_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder but locks, with its content: what a refusal leaves alone."""
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock" and not path.is_fifo()
    }


def readable(path: Path) -> None:
    """Read back what a command wrote, by its ending; raise where that cannot be done."""
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".csv":
        import pandas

        assert len(pandas.read_csv(path))
    elif path.suffix == ".parquet":
        import pandas

        assert len(pandas.read_parquet(path))
    elif path.suffix == ".png":
        from PIL import Image

        Image.open(path).load()
    elif path.suffix != ".html":  # pages are left out of what is tried
        assert path.stat().st_size


def warm_up() -> None:
    """Import what commands import, once and before any child, and leave one thread."""
    import anndata
    import matplotlib.pyplot
    import pandas
    import PIL.Image
    import pyarrow.parquet
    import sklearn.cluster
    import sklearn.datasets

    import priory.report.page
    import priory.training.loop

    torch.set_num_threads(1)
    _ = anndata, matplotlib.pyplot, pandas, PIL.Image, pyarrow.parquet, sklearn
    _ = priory.report.page, priory.training.loop
