"""Count the files that a step and a fit go through: `python benchmarks/files_entered.py`.

In how many files of the package functions are entered, as `sys.setprofile` sees them, by

- the loss of a VAE with a VampPrior of 50 components under MLPs and its gradient, of a batch of 100
  data of 64 values, with the arguments of distributions unchecked and no type checks;
- a warm `priory.fit`, the second in a process, of two epochs on 200 data of 9 values.

Below stand the lines and the files of Python of each room, which is a folder or a file of
`src/priory`. With `--json FILE` the numbers and the names are written to a file too.
"""

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.distributions import Distribution

import priory
from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, VampPrior

PACKAGE = Path(priory.__file__).parent
HIDDEN_SIZES, LATENT_DIM = (32, 32), 8


def files_entered(run: Callable[[], object]) -> list[str]:
    """Return the files of the package in which functions are entered, in the order of their names.

    Reading a module for the first time enters no function; what it calls meanwhile does.
    """
    names = set()

    def see(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            names.add(frame.f_code.co_filename)

    sys.setprofile(see)
    try:
        run()
    finally:
        sys.setprofile(None)
    inside = [Path(name) for name in names if Path(name).is_relative_to(PACKAGE)]
    return sorted(str(path.relative_to(PACKAGE)) for path in inside)


def step() -> Callable[[], object]:
    """Return the loss of a batch and its gradient, once done already."""
    torch.manual_seed(0)
    vae = VAE(
        GaussianEncoder(MLP((64,), (2 * LATENT_DIM,), HIDDEN_SIZES)),
        BernoulliDecoder(MLP((LATENT_DIM,), (64,), HIDDEN_SIZES)),
        VampPrior(50, (64,)),
    )
    x = (torch.rand(100, 64) < 0.5).float()

    def run() -> None:
        priory.loss(vae, x).backward()

    run()
    return run


def fit() -> Callable[[], object]:
    """Return a short fit, once done already."""
    x = (torch.rand(200, 9) < 0.5).float()
    fit_once = priory.fit  # which a module looks up lazily

    def run() -> None:
        fit_once(x, max_epochs=2, hidden_sizes=(8,), verbose=False)

    run()
    return run


def rooms() -> dict[str, dict[str, int]]:
    """Return the files and the lines of Python of each room, and of all."""
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for path in PACKAGE.rglob("*.py"):
        count = len(path.read_text().splitlines())
        for room in (path.relative_to(PACKAGE).parts[0], "all"):
            files[room] += 1
            lines[room] += count
    return {
        room: {"files": files[room], "lines": lines[room]}
        for room in sorted(files, key=lambda room: (room == "all", room.endswith(".py"), room))
    }


def main() -> None:
    """Count, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="a file to write the numbers and names to")
    target = parser.parse_args().json
    warnings.simplefilter("ignore")
    Distribution.set_default_validate_args(False)
    entered = {"loss(vae, x).backward()": files_entered(step())}
    Distribution.set_default_validate_args(True)  # as they are in a fit
    entered["a warm priory.fit"] = files_entered(fit())
    for what, files in entered.items():
        print(f"{what}: {len(files)} files", *files, sep="\n  ")
    counts = rooms()
    print(f"{'room':<24}{'files':>7}{'lines':>8}")
    for room, count in counts.items():
        print(f"{room:<24}{count['files']:>7}{count['lines']:>8}")
    if target is not None:
        target.write_text(json.dumps({"entered": entered, "rooms": counts}, indent=2) + "\n")


if __name__ == "__main__":
    main()
