"""Share a mixture out among processes: `python benchmarks/sharded_mixture.py`.

A step is the density of 256 points under a mixture of a million components in 40 dimensions, with
gradients for the points and for all parameters: a `ShardedGaussianMixture` in four Gloo processes
beside the same in one, each with one thread. Time is that of the wall, beside that of all
processors, and the fastest step of a few counts. Memory is the most that a process held, beside
what it held with the libraries alone; the worst of the processes counts. Density, gradients of the
points and samples are compared. The table is printed, put into `docs/guides/processes.md` and
written, with the machine's description, to `benchmarks/results/sharded_mixture.json`.

What we expected: 80 MB of components and as much of gradients in each of four processes, where one
has 640 MB; and on two cores half the time of one process at best.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mixture_kernel import machine
from tables import put_table
from torch import Tensor, distributed

from priory.distributions import ShardedGaussianMixture

POINTS, DIMS, PIECES = 256, 40, 4
RESULTS = Path(__file__).parent / "results" / "sharded_mixture.json"


def peak_mib() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status").read_text()  # getrusage would start at the parent's
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def components(components: int, pieces: range) -> list[Tensor]:
    """Return logits, means and scales of some of the pieces of the mixture."""
    size = components // PIECES
    leaves = [torch.empty(len(pieces) * size, *shape) for shape in ((), (DIMS,), (DIMS,))]
    for place, piece in enumerate(pieces):
        torch.manual_seed(piece)
        for leaf in leaves:
            leaf[place * size : (place + 1) * size].normal_()
    leaves[2].mul_(0.1).exp_()
    return [leaf.requires_grad_() for leaf in leaves]


def step(z: Tensor, leaves: list[Tensor]) -> Tensor:
    """Return the density, with gradients for the points and the components."""
    for tensor in (z, *leaves):
        tensor.grad = None
    density = ShardedGaussianMixture(*leaves, validate_args=False).log_prob(z)
    density.sum().backward()
    return density.detach()


def process(rank: int, count: int, number: int, repeats: int, folder: Path) -> None:
    """Take steps with a share of the components, and write what they took."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=count
    )
    z = torch.randn(POINTS, DIMS, generator=torch.Generator().manual_seed(7)).requires_grad_()
    step(z, components(1000, range(PIECES)))  # the libraries' own memory
    before = peak_mib()
    each = PIECES // count
    leaves = components(number, range(rank * each, (rank + 1) * each))
    walls, processors = [], []
    for _ in range(repeats):
        distributed.barrier()
        wall, processor = time.perf_counter(), time.process_time()
        density = step(z, leaves)
        distributed.barrier()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    peak = peak_mib() - before
    torch.manual_seed(1)
    sample = ShardedGaussianMixture(*leaves, validate_args=False).sample((1000,))
    torch.save(
        {
            "wall_s": min(walls),
            "processor_s": min(processors),
            "components_mib": sum(leaf.nbytes for leaf in leaves) / 2**20,
            "peak_mib": peak,
            "density": density,
            "gradient": z.grad,
            "sample": sample,
        },
        folder / f"{rank}.pt",
    )
    distributed.destroy_process_group()


def by(count: int, number: int, repeats: int) -> list[dict[str, Tensor]]:
    """Return what each of some processes found."""
    with TemporaryDirectory() as folder:
        words = [sys.executable, __file__, f"--components={number}", f"--repeats={repeats}"]
        started = [
            subprocess.Popen([*words, "--process", str(rank), str(count), folder])
            for rank in range(count)
        ]
        if any(one.wait() for one in started):
            raise SystemExit("a process failed.")
        return [torch.load(Path(folder, f"{rank}.pt")) for rank in range(count)]


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--components", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--process", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.process:
        rank, count, folder = args.process
        process(int(rank), int(count), args.components, args.repeats, Path(folder))
        return
    results: dict[str, object] = {
        "machine": {**machine(), "threads": 1},
        "shape": (POINTS, args.components, DIMS),
    }
    table = ["| processes | wall s | CPU s | components MiB | peak MiB | density differs by |"]
    table.append("| --- " * 6 + "|")
    (one,) = by(1, args.components, args.repeats)
    for answers in ([one], by(PIECES, args.components, args.repeats)):
        row = {
            "wall_s": max(answer["wall_s"] for answer in answers),
            "processor_s": sum(answer["processor_s"] for answer in answers),
            "components_mib": max(answer["components_mib"] for answer in answers),
            "peak_mib": max(answer["peak_mib"] for answer in answers),
            **{
                f"{name}_differs_by": max(
                    float((answer[name] - one[name]).abs().max()) for answer in answers
                )
                for name in ("density", "gradient", "sample")
            },
        }
        results[f"processes_{len(answers)}"] = row
        cells = [f"{value:.3g}" for value in row.values()][:5]
        table.append(f"| {len(answers)} | {' | '.join(cells)} |")
    ratios = results["one_process_over_four"] = {
        name: results["processes_1"][name] / results[f"processes_{PIECES}"][name]
        for name in ("wall_s", "processor_s", "peak_mib")
    }
    print("\n".join(table), ratios, sep="\n")
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    put_table("guides/processes.md", "sharded table", table)


if __name__ == "__main__":
    main()
