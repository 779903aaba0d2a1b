"""Time the mixture kernel beside what it replaces: `python benchmarks/mixture_kernel.py`.

Every row is one step, forward and backward, with gradients for z, logits, loc and scale. The
contestants of a row take turns, and the fastest turn of each counts: the least disturbed one.
A table is printed, and the figures are written with the machine's description to
`benchmarks/results/mixture_kernel.json`.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
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
LIMIT = 8e9  # bytes that a contestant may take
RESULTS = Path(__file__).parent / "results" / "mixture_kernel.json"


def kernel(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return GaussianMixture(logits, loc, scale, validate_args=False).log_prob(z)


def broadcast(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """The form of printed listings, with the sum over dimensions where it belongs."""
    z, loc, log_var = z.unsqueeze(0), loc.unsqueeze(1), 2 * scale.log().unsqueeze(1)
    log_p = -0.5 * (math.log(2 * math.pi) + log_var + torch.exp(-log_var) * (z - loc) ** 2)
    return torch.logsumexp(log_p.sum(-1) + logits.log_softmax(0).unsqueeze(1), 0)


def torch_mixture(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    component = Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, component, validate_args=False).log_prob(z)


def zuko_mixture(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    from zuko.distributions import Mixture

    component = Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)
    return Mixture(component, logits).log_prob(z)


def floor(b: int, k: int, dims: int) -> Callable[[], object]:
    """The three bare matrix products that any form by products needs, in float32."""
    points, weights, densities = torch.rand(b, 2 * dims), torch.rand(k, 2 * dims), torch.rand(b, k)
    return lambda: (points @ weights.T, densities @ weights, densities.T @ points)


def leaves(b: int, k: int, dims: int) -> list[Tensor]:
    torch.manual_seed(0)
    inputs = [torch.randn(b, dims), torch.randn(k), torch.randn(k, dims), 0.1 + torch.rand(k, dims)]
    return [tensor.requires_grad_() for tensor in inputs]


def fastest(contestants: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the milliseconds of each contestant's fastest turn."""
    best = dict.fromkeys(contestants, math.inf)
    for run in contestants.values():
        run()
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or (time.perf_counter() < end and rounds < 2000):
        for name, run in contestants.items():
            run()  # warms the caches for the turn that counts, as a loop would
            start = time.perf_counter()
            run()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
        rounds += 1
    return best


def density_row(b: int, k: int, dims: int, seconds: float) -> dict[str, float | None]:
    inputs = leaves(b, k, dims)
    forms = {"kernel": kernel}
    if 5 * 4 * b * k * dims <= LIMIT:  # about five such tensors live at once
        forms |= {"broadcast": broadcast, "torch": torch_mixture, "zuko": zuko_mixture}
    steps = {
        name: lambda form=form: torch.autograd.grad(form(*inputs).sum(), inputs)
        for name, form in forms.items()
    }
    times = fastest(steps | {"floor": floor(b, k, dims)}, seconds)
    return {name: times.get(name) for name in ("kernel", "floor", "broadcast", "torch", "zuko")}


def sampling_row(n: int, k: int, dims: int, seconds: float) -> dict[str, float]:
    _, logits, loc, scale = (t.detach() for t in leaves(1, k, dims))
    p = GaussianMixture(logits, loc, scale, validate_args=False)
    index = torch.randint(k, (n,))
    contestants = {"sample": lambda: p.sample((n,)), "floor": lambda: torch.randn(n, dims) * loc[index]}
    contestants["floor"] = lambda: (torch.randn(n, dims), loc[index])
    return fastest(contestants, seconds)


def compiled_row(b: int, k: int, dims: int, seconds: float) -> dict[str, float]:
    x = torch.rand(b, 784).round()
    encoder, decoder = GaussianEncoder(MLP((784,), (300,))), BernoulliDecoder(MLP((dims,), (784,)))
    encoder = GaussianEncoder(MLP((784,), (300, 2 * dims)))
    decoder = BernoulliDecoder(MLP((dims,), (300, 784)))
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


def machine() -> dict[str, object]:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ] if Path("/proc/cpuinfo").exists() else [platform.processor()]
    return {
        "processor": names[0],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load_at_the_end": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
