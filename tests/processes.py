"""Python in a process of its own, and functions in several that make a group."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

IN_A_GROUP = """
import sys
sys.path[:0] = {path!r}
import torch
from torch import distributed
from {module} import {name}
rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
distributed.init_process_group(
    "gloo", init_method=f"file://{{folder}}/rendezvous", rank=rank, world_size=count
)
torch.save({name}(), f"{{folder}}/{{rank}}.pt")
distributed.destroy_process_group()
"""


def python(code: str, *words: str) -> str:
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def together(count: int, function: Callable[[], Any]) -> list[Any]:
    """Call a function of a test module in each process of a group, and return what each returns."""
    code = IN_A_GROUP.format(path=sys.path, module=function.__module__, name=function.__name__)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-c", code]
        pipe = subprocess.PIPE
        started = [
            subprocess.Popen([*command, str(rank), str(count), folder], stderr=pipe, text=True)
            for rank in range(count)
        ]
        errors = [process.communicate()[1] for process in started]
        for process, error in zip(started, errors, strict=True):
            assert process.returncode == 0, error[-3000:]
        return [torch.load(Path(folder, f"{rank}.pt"), weights_only=False) for rank in range(count)]
