"""Time the mixture kernel beside what it replaces: `python benchmarks/mixture_kernel.py`.

Every row is one step, forward and backward, with gradients for z, logits, loc and scale. The
contestants of a row take turns, and the fastest step of each counts: the least disturbed one.
With `--threads 1` it is the processor's time that counts, which a busy machine disturbs least; with
`--device cuda` all of it runs on a GPU, and a step ends when the GPU has finished it.
KeOps takes part where pykeops is installed, which compiles for minutes the first time; *compiled*
is the broadcast form under `torch.compile`. A second table has the time for each example as the
number of examples and the number of components grow by decades.
The figures are printed and written with the machine's description to
`benchmarks/results/mixture_kernel_N_threads.json`, of a GPU to `mixture_kernel_cuda.json`; those of
two threads and of a GPU go into `docs/kernel.md`.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from tables import put_table
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, GaussianMixture, MoGPrior, loss

SHAPES = [
    (64, 16, 2),
    (100, 500, 40),
    (1000, 500, 40),
    (256, 5000, 40),
    (256, 60000, 40),
    (4096, 1000, 128),
]
PEERS = ("broadcast", "compiled", "torch", "zuko", "keops")
DECADES = (100, 1000, 10_000, 100_000)
LIMIT = 8e9  # bytes that a contestant may take
RESULTS = Path(__file__).parent / "results"


def kernel(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density by ours, as a user calls it."""
    return GaussianMixture(logits, loc, scale, validate_args=False).log_prob(z)


def broadcast(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return it as printed listings do, with the sum over dimensions where it belongs."""
    z, loc, log_var = z.unsqueeze(0), loc.unsqueeze(1), 2 * scale.log().unsqueeze(1)
    log_p = -0.5 * (math.log(2 * math.pi) + log_var + torch.exp(-log_var) * (z - loc) ** 2)
    return torch.logsumexp(log_p.sum(-1) + logits.log_softmax(0).unsqueeze(1), 0)


def torch_mixture(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density by torch's mixture."""
    component = Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, component, validate_args=False).log_prob(z)


def zuko_mixture(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density by zuko's mixture."""
    from zuko.distributions import Mixture

    component = Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
    return Mixture(component, logits).log_prob(z)


def keops(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density by KeOps, which compiles the sum and keeps no numbers of B·K·L."""
    from pykeops.torch import LazyTensor

    log_peak = logits.log_softmax(0) - (scale.log() + 0.5 * math.log(2 * math.pi)).sum(-1)
    precision = LazyTensor(scale.square().reciprocal().unsqueeze(0))
    offset = LazyTensor(z.unsqueeze(1)) - LazyTensor(loc.unsqueeze(0))
    joint = LazyTensor(log_peak.view(1, -1, 1)) - 0.5 * (offset.square() * precision).sum(-1)
    return joint.logsumexp(1).squeeze(-1)


def floor(b: int, k: int, dims: int) -> Callable[[], object]:
    """Do the three bare matrix products that a form by products needs, in float32."""
    points, weights, densities = torch.rand(b, 2 * dims), torch.rand(k, 2 * dims), torch.rand(b, k)
    return lambda: (points @ weights.T, densities @ weights, densities.T @ points)


def leaves(b: int, k: int, dims: int) -> list[Tensor]:
    """Return points and the parameters of a mixture, all of which want a gradient."""
    torch.manual_seed(0)
    inputs = [torch.randn(b, dims), torch.randn(k), torch.randn(k, dims), 0.1 + torch.rand(k, dims)]
    return [tensor.requires_grad_() for tensor in inputs]


def fastest(
    contestants: dict[str, Callable[[], object]], seconds: float = 0.0, turns: int = 3
) -> dict[str, float]:
    """Return the milliseconds of each contestant's fastest step, in that many turns or more."""
    on_gpu = torch.get_default_device().type == "cuda"
    one_thread = torch.get_num_threads() == 1 and not on_gpu
    clock = time.process_time if one_thread else time.perf_counter
    finish = torch.cuda.synchronize if on_gpu else lambda: None
    best = dict.fromkeys(contestants, math.inf)
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < turns or time.perf_counter() < end:
        for name, run in contestants.items():
            turn = time.perf_counter() + 0.2  # long enough for a step to find its own memory again
            while time.perf_counter() < turn:
                start = clock()
                run()
                finish()
                best[name] = min(best[name], 1e3 * (clock() - start))
        rounds += 1
    return best


def density_row(b: int, k: int, dims: int, seconds: float) -> dict[str, float | None]:
    """Return the milliseconds of each form, None for those that were skipped."""
    inputs = leaves(b, k, dims)
    forms = {"kernel": kernel}
    if find_spec("pykeops"):
        forms |= {"keops": keops}
    if 5 * 4 * b * k * dims <= LIMIT:  # about five such tensors live at once
        forms |= {"broadcast": broadcast, "compiled": torch.compile(broadcast, dynamic=False)}
        forms |= {"torch": torch_mixture, "zuko": zuko_mixture}
    steps = {
        name: lambda form=form: torch.autograd.grad(form(*inputs).sum(), inputs)
        for name, form in forms.items()
    }
    times = fastest(steps | {"floor": floor(b, k, dims)}, seconds)
    return {name: times.get(name) for name in ("kernel", "floor", *PEERS)}


def growth(seconds: float) -> dict[str, dict[str, float]]:
    """Return the microseconds per example of a step, by decades of examples and of components."""
    shapes = {f"{b:,} examples": (b, 500, 40) for b in DECADES}
    shapes |= {f"{k:,} components": (256, k, 40) for k in DECADES}
    times = {}
    for name, (b, k, dims) in shapes.items():
        inputs = leaves(b, k, dims)
        step = lambda i=inputs: torch.autograd.grad(kernel(*i).sum(), i)  # noqa: E731
        best = fastest({"kernel": step, "floor": floor(b, k, dims)}, seconds)
        times[name] = {what: 1e3 * ms / b for what, ms in best.items()}
    return times


def sampling_row(n: int, k: int, dims: int, seconds: float) -> dict[str, float]:
    """Return the milliseconds of sampling, and of one randn and one gather."""
    _, logits, loc, scale = (t.detach() for t in leaves(1, k, dims))
    p = GaussianMixture(logits, loc, scale, validate_args=False)
    index = torch.randint(k, (n,))
    floor = lambda: (torch.randn(n, dims), loc[index])  # noqa: E731
    return fastest({"sample": lambda: p.sample((n,)), "floor": floor}, seconds)


def compiled_row(b: int, k: int, dims: int, seconds: float) -> dict[str, float]:
    """Return the milliseconds of a VAE's loss and its gradient, eager and compiled."""
    x = torch.rand(b, 784).round()
    encoder = GaussianEncoder(MLP((784,), (2 * dims,)))
    decoder = BernoulliDecoder(MLP((dims,), (784,)))
    vae = VAE(encoder, decoder, MoGPrior(latent_dim=dims, num_components=k))
    compiled = torch.compile(loss, fullgraph=True)
    parameters = list(vae.parameters())
    return fastest(
        {
            "eager": lambda: torch.autograd.grad(loss(vae, x), parameters),
            "compiled": lambda: torch.autograd.grad(compiled(vae, x), parameters),
        },
        seconds,
    )


def flat_row(b: int, k: int, dims: int) -> dict[str, float]:
    """Time one step with the components as leaves, and its memory beyond the gradients."""

    def peak() -> float:  # of this process alone; getrusage would start at the parent's
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    kernel(*leaves(b, 1000, dims)).sum().backward()  # the libraries' own memory
    z, logits = torch.randn(b, dims), torch.zeros(k, requires_grad=True)
    loc, scale = torch.randn(k, dims, requires_grad=True), torch.ones(k, dims, requires_grad=True)
    before, start = peak(), time.perf_counter()
    kernel(z, logits, loc, scale).sum().backward()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    gradients = sum(t.numel() * t.element_size() for t in (logits, loc, scale)) / 2**20
    return {"seconds": seconds, "extra_mib": peak() - before - gradients}


def machine() -> dict[str, object]:
    """Describe where the figures come from."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    names = [line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_initialized() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each row, about")
    parser.add_argument("--flat", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    if args.flat:
        print(json.dumps(flat_row(256, args.flat, 40)))
        return

    torch.zeros(1)  # a GPU begins
    results: dict[str, object] = {"machine": machine()}
    head = ["(B, K, L)", "kernel ms", "floor ms", "times floor", *PEERS]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    densities = results["density_ms"] = {}
    for shape in SHAPES:
        row = densities[str(shape)] = density_row(*shape, args.seconds)
        peers = [f"{row[p] / row['kernel']:.1f}x" if row[p] else "-" for p in PEERS]
        ratio = row["kernel"] / row["floor"]
        cells = [str(shape), f"{row['kernel']:.3g}", f"{row['floor']:.3g}", f"{ratio:.1f}", *peers]
        lines.append("| " + " | ".join(cells) + " |")
    grown = ["| | kernel, µs per example | floor, µs per example |", "|---|---|---|"]
    results["growth_us"] = growth(args.seconds)
    for name, row in results["growth_us"].items():
        grown.append(f"| {name} | {row['kernel']:.3g} | {row['floor']:.3g} |")
    print("\n".join([*lines, "", *grown, ""]), flush=True)
    if args.device == "cuda":
        put_table("kernel.md", "gpu table", [*lines, "", *grown])
    elif args.threads == 2:
        put_table("kernel.md", "kernel table", lines)
        put_table("kernel.md", "growth table", grown)

    sample = results["sample_ms"] = sampling_row(10_000, 500, 40, args.seconds)
    print(f"10,000 samples of (500, 40): {sample['sample']:.2f} ms, ", end="")
    print(f"{sample['sample'] / sample['floor']:.2f}x one randn and one gather.")
    step = results["loss_ms"] = compiled_row(100, 500, 40, args.seconds)
    print(f"A VAE's loss and gradient (100, 500, 40): {step['eager']:.2f} ms eager, ", end="")
    print(f"{step['compiled']:.2f} ms compiled.")
    flat = results["flat_256_40"] = {}
    for k in (250_000, 500_000, 1_000_000):
        command = [sys.executable, __file__, f"--flat={k}", f"--threads={args.threads}"]
        command.append(f"--device={args.device}")
        run = subprocess.run(command, capture_output=True, check=True, text=True)
        row = flat[str(k)] = json.loads(run.stdout)
        print(f"(256, {k:,}, 40): {row['seconds']:.2f} s, ", end="")
        print(f"{row['extra_mib']:.0f} MiB beyond the gradients.", flush=True)
    RESULTS.mkdir(exist_ok=True)
    where = "cuda" if args.device == "cuda" else f"{args.threads}_threads"
    record = RESULTS / f"mixture_kernel_{where}.json"
    record.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
