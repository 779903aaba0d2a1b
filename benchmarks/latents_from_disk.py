"""Fit a mixture of 1,000 components to latents on disk: `python benchmarks/latents_from_disk.py`.

Latents of 16 dimensions, sorted by the heap that they come from, lie in a `.npy` file. A process
for each size fits a `MoGPrior` to them in one epoch, on one thread, and says how long each example
took in that epoch, by the clock and by the processor, and the most anonymous memory (`RssAnon` of
`/proc/self/status`, which a mapped file is no part of) that it held. What comes before the epoch,
which is the same for every size, is timed by itself. They are written to
`benchmarks/results/latents_from_disk.json` and to the table in `docs/speed.md`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from mixture_kernel import machine
from tables import put_table

import priory
from priory.training import maximum_likelihood

RESULTS = Path(__file__).parent / "results" / "latents_from_disk.json"
DIMENSIONS, COMPONENTS, HEAPS = 16, 1000, 200
SIZES = (1_000_000, 3_000_000, 10_000_000)


def write_latents(path: Path, count: int) -> None:
    """Write latents from heaps, one heap after the other."""
    z = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIMENSIONS))
    rng = np.random.default_rng(0)
    for rows in np.array_split(np.arange(count), HEAPS):
        noise = rng.standard_normal((len(rows), DIMENSIONS), np.float32)
        z[rows[0] : rows[-1] + 1] = 2 * rng.standard_normal(DIMENSIONS) + 0.3 * noise
    z.flush()


def anonymous_mib() -> float:
    """Return the anonymous memory of this process."""
    status = Path("/proc/self/status").read_text().split("RssAnon:")[1]
    return int(status.split()[0]) / 1024


class Peak(threading.Thread):
    """The most anonymous memory, read every 20 milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib, self.over = 0.0, threading.Event()

    def run(self) -> None:
        """Read until it is over."""
        while not self.over.wait(0.02):
            self.mib = max(self.mib, anonymous_mib())


def fit(path: str) -> dict[str, float]:
    """Fit a prior to the latents of a file, and return what it took."""
    torch.set_num_threads(1)
    took: dict[str, float] = {}
    train_epoch = maximum_likelihood.train_epoch

    def timed(*arguments: object) -> None:
        start, processor = time.perf_counter(), time.process_time()
        train_epoch(*arguments)  # type: ignore[arg-type]
        took["seconds"] = time.perf_counter() - start
        took["processor_seconds"] = time.process_time() - processor

    maximum_likelihood.train_epoch = timed
    peak, start, before = Peak(), time.process_time(), anonymous_mib()
    peak.start()
    options = {"num_components": COMPONENTS, "max_epochs": 1, "verbose": False}
    fit = priory.fit_prior("MoGPrior", latents=path, **options)
    peak.over.set()
    count = len(np.load(path, mmap_mode="r"))
    return {
        "count": count,
        "microseconds_per_example": 1e6 * took["seconds"] / count,
        "processor_microseconds_per_example": 1e6 * took["processor_seconds"] / count,
        "processor_seconds_besides": time.process_time() - start - took["processor_seconds"],
        "anonymous_mib_before": before,
        "anonymous_mib_at_peak": peak.mib,
        "held_out_before": fit.before.held_out.value,
        "held_out_after": fit.after.held_out.value,
    }


def main() -> None:
    """Print what was found and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", help="fit to this file alone, and print what it took")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(fit(args.one)))
        return
    rows = []
    for count in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "latents.npy")
            write_latents(path, count)
            words = [sys.executable, __file__, "--one", str(path)]
            out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        rows.append(json.loads(out))
        print(json.dumps(rows[-1]), flush=True)
    RESULTS.write_text(json.dumps({"machine": machine(), "fits": rows}, indent=2) + "\n")
    lines = [
        "| latents | CPU µs per latent | wall-clock µs per latent | other seconds "
        "| RssAnon before and at its peak, MiB | held out, before and after |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['count']:,} | {row['processor_microseconds_per_example']:.1f} "
            f"| {row['microseconds_per_example']:.1f} | {row['processor_seconds_besides']:.0f} "
            f"| {row['anonymous_mib_before']:.0f}, {row['anonymous_mib_at_peak']:.0f} "
            f"| {row['held_out_before']:.2f}, {row['held_out_after']:.2f} |"
            for row in rows
        ),
    ]
    put_table("speed.md", "latents table", lines)


if __name__ == "__main__":
    main()
