"""Time an epoch beside a plain loop: `python benchmarks/training_speed.py --mnist FOLDER`.

Both train the same model from the same start with Adamax and the same data, ours with what `priory
train` does (progress, curves, early stopping, checkpoints ten seconds apart, validation after each
epoch, Adamax over all tensors at once), the plain loop as tutorials write it: a DataLoader over
items, a pass for the data and one for the pseudo-inputs, probabilities that are clamped and
categories that are one-hot, the mixture's density by broadcasting, Adamax as it is by default. They
take turns with others: ours compiled (on digits), our loss in a bare loop, which shows what the
rest of training costs, and the floor, the networks and the optimiser alone in that loop. None
checks the arguments of distributions: ours does in its first epoch, which is not counted. Of the
others the fastest counts. Expected: the plain loop's time over ours at least 1.1 on digits and 1.3
compiled, and on MNIST with K = 500 at least 1.6 at batches of 100 and 6.8 at 1,000.
Beside it: what a VampPrior step costs over a step with the standard prior, by time and by
floating-point operations, and the memory after each hundred of a thousand steps.

`--digits` times digits alone. Without MNIST's IDX files, random images take their place. Figures
are written to `benchmarks/results/training_speed.json`, and a table of them to `docs/speed.md`.
"""

import argparse
import copy
import itertools
import json
import math
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tables import put_table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from priory import VAE, loss
from priory.data import Batches, Part, Splits, open_data
from priory.distributions.torch_distributions import without_argument_checks
from priory.likelihoods import Likelihood, choose_likelihood
from priory.training import Machine, TrainingSettings, build, train

RESULTS = Path(__file__).parent / "results" / "training_speed.json"


class Clock:
    """The time at the end of each epoch, its validation included: a logger of a training."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Look at the clock."""
        self.ends.append(time.perf_counter())

    def finalize(self, status: str) -> None:
        """Do nothing more."""


def gaussian_log_prob(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density of each dimension."""
    return -0.5 * (math.log(2 * math.pi) + 2 * scale.log() + ((z - loc) / scale) ** 2)


def plain_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x|z) from probabilities kept off zero and one, and with one-hot categories."""
    if logits.dim() == x.dim():
        p = logits.sigmoid().clamp(1e-5, 1 - 1e-5)
        return (x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(-1)
    p = logits.softmax(-1).clamp(1e-5, 1 - 1e-5)
    one_hot = nn.functional.one_hot(x.long(), p.shape[-1])
    return (one_hot * p.log()).sum(-1).flatten(1).sum(-1)


def encoded(vae: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means and the scales of q(z|x), without a distribution."""
    inputs = (x - vae.encoder.centre) / vae.encoder.half_width
    loc, log_scale = vae.encoder.network(inputs).chunk(2, -1)
    return loc, log_scale.exp()


def plain_step(vae: VAE, x: Tensor) -> Tensor:
    """Return the loss as tutorials write it."""
    loc, scale = encoded(vae, x)
    z = loc + scale * torch.randn_like(loc)
    reconstruction = plain_log_likelihood(vae.decoder.network(z), x)
    of_prior = (t.unsqueeze(1) for t in encoded(vae, vae.prior.pseudo_inputs))
    components = gaussian_log_prob(z.unsqueeze(0), *of_prior)
    log_weights = vae.prior.logits.log_softmax(0).unsqueeze(1)
    log_prior = torch.logsumexp(components.sum(-1) + log_weights, 0)
    rate = gaussian_log_prob(z, loc, scale).sum(-1) - log_prior
    return (rate - reconstruction).mean()


def plain_epochs(vae: VAE, splits: Splits, batch_size: int, epochs: int) -> list[float]:
    """Return the seconds of each epoch of the plain loop, its validation included."""
    optimizer = torch.optim.Adamax(vae.parameters(), lr=1e-3)
    batches = DataLoader(TensorDataset(splits.train.tensor()), batch_size, shuffle=True)
    held_out = DataLoader(TensorDataset(splits.validation.tensor()), max(batch_size, 1024))
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for (x,) in batches:
            optimizer.zero_grad()
            plain_step(vae, x).backward()
            optimizer.step()
        with torch.no_grad():
            sum(float(plain_step(vae, x)) * len(x) for (x,) in held_out)
        seconds.append(time.perf_counter() - start)
    return seconds


def our_epochs(
    vae: VAE, splits: Splits, batch_size: int, epochs: int, compiled: bool = False
) -> list[float]:
    """Return the seconds of each epoch of ours; the first also holds the start."""
    clock = Clock()
    settings = TrainingSettings(max_epochs=epochs, patience=1000, batch_size=batch_size)
    with tempfile.TemporaryDirectory() as directory, open(os.devnull, "w") as nowhere:
        start = time.perf_counter()
        train(
            vae,
            splits,
            settings,
            machine=Machine(compile=compiled),
            console=Console(file=nowhere),
            curves=Path(directory),
            checkpoint=Path(directory) / "last.ckpt",
            logger=clock,
        )
    ends = [start, *clock.ends]
    return [after - before for before, after in itertools.pairwise(ends)]


def networks_alone(vae: VAE, x: Tensor) -> Tensor:
    """Return something of all that the networks give, of data and of pseudo-inputs."""
    loc, scale = encoded(vae, x)
    of_prior = sum(t.sum() for t in encoded(vae, vae.prior.pseudo_inputs))
    return (vae.decoder.network(loc).sum() + scale.sum() + of_prior) / len(x)


@without_argument_checks()
def bare_epochs(
    vae: VAE, splits: Splits, batch_size: int, epochs: int, step: Callable[..., Tensor] = loss
) -> list[float]:
    """Return the seconds of each epoch of a step in a bare loop."""
    optimizer = torch.optim.Adamax(vae.parameters(), lr=1e-3, foreach=True)
    batches, held_out = Batches(splits.train, batch_size, seed=0), splits.validation.tensor()
    seconds = []
    for epoch in range(epochs):
        start = time.perf_counter()
        batches.set_epoch(epoch)
        for batch in batches:
            optimizer.zero_grad()
            step(vae, batch.x).backward()
            optimizer.step()
        with torch.no_grad():
            sum(float(step(vae, x)) * len(x) for x in held_out.split(max(batch_size, 1024)))
        seconds.append(time.perf_counter() - start)
    return seconds


def epochs_beside(
    name: str, splits: Splits, likelihood: Likelihood, epochs: int, turns: int, **model: Any
) -> dict[str, Any]:
    """Return the seconds per epoch of both, and their ratio."""
    batch_size = model.pop("batch_size")
    vae = build(splits, likelihood, "VampPrior", **model)
    contestants: dict[str, Callable[..., list[float]]] = {
        "plain": plain_epochs,
        "ours": our_epochs,
        "bare": bare_epochs,
        "floor": partial(bare_epochs, step=networks_alone),
    }
    if epochs > 3:  # the second epoch holds the compilation
        contestants["compiled"] = partial(our_epochs, compiled=True)
    seconds: dict[str, list[float]] = {who: [] for who in contestants}
    for _ in range(turns):
        for who, run in contestants.items():
            measured = run(copy.deepcopy(vae), splits, batch_size, epochs)
            seconds[who] += measured[1:]
    best = {who: min(all_of) for who, all_of in seconds.items()}
    over = {f"plain_over_{who}": best["plain"] / best[who] for who in best if who != "plain"}
    return {"name": name, **best, **over}


@without_argument_checks()
def step_costs(splits: Splits, likelihood: Likelihood, batch_size: int, **model: Any) -> Any:
    """Return what a VampPrior step costs over one with the standard prior."""
    x = splits.train.read(torch.arange(batch_size))
    seconds, operations = {}, {}
    for prior in ("StandardPrior", "VampPrior"):
        vae = build(splits, likelihood, prior, **model)
        optimizer = torch.optim.Adamax(vae.parameters(), lr=1e-3)

        def step(vae: VAE = vae, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            loss(vae, x).backward()
            optimizer.step()

        step()
        with FlopCounterMode(display=False) as counter:
            step()
        operations[prior] = counter.get_total_flops()
        if prior == "VampPrior":  # three products of points and components, in mean and scale
            operations[prior] += (
                3 * 2 * 2 * batch_size * model["num_components"] * model["latent_dim"]
            )
        times = []
        for _ in range(60):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        seconds[prior] = min(times)
    return {
        "batch_size": batch_size,
        "time": seconds["VampPrior"] / seconds["StandardPrior"],
        "operations": operations["VampPrior"] / operations["StandardPrior"],
    }


def memory(splits: Splits, likelihood: Likelihood, **model: Any) -> list[int]:
    """Return the memory in use, in MiB, after each hundred of a thousand steps."""
    vae = build(splits, likelihood, "VampPrior", **model)
    optimizer = torch.optim.Adamax(vae.parameters(), lr=1e-3)
    x = splits.train.read(torch.arange(100))
    in_use = []
    for step in range(1, 1001):
        optimizer.zero_grad()
        loss(vae, x).backward()
        optimizer.step()
        if step % 100 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            in_use.append(pages * resource.getpagesize() // 2**20)
    return in_use


def images(folder: str | None) -> tuple[Splits, Likelihood]:
    """Return MNIST, or random images of its size, as zeros and ones."""
    if folder:
        splits = open_data(f"mnist:{folder}").binarised("static", 255.0)
    else:
        x = (torch.rand(70000, 28, 28) < 0.13).to(torch.uint8)
        parts = (Part(x, index) for index in torch.arange(70000).split([50000, 10000, 10000]))
        splits = Splits("random images", *parts)
    return splits, choose_likelihood(splits.validation.values)


def table(results: dict[str, Any]) -> list[str]:
    """Return the figures as two tables."""
    lines = [
        "| one epoch of | plain loop, s | ours, s | plain / ours | compiled | bare loss | floor |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in results["epochs"]:
        over = [row.get(f"plain_over_{who}") for who in ("ours", "compiled", "bare", "floor")]
        ratios = ("" if ratio is None else f"{ratio:.2f}" for ratio in over)
        lines.append(
            f"| {row['name']} | {row['plain']:.3g} | {row['ours']:.3g} | {' | '.join(ratios)} |"
        )
    lines += ["", "| VampPrior step / standard step | time | operations |", "| --- | --- | --- |"]
    for cost in results["vamp_over_standard"]:
        size = f"batches of {cost['batch_size']}"
        lines.append(f"| {size} | {cost['time']:.2f} | {cost['operations']:.2f} |")
    return lines


def main() -> None:
    """Run all measurements, print them and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", help="the folder of MNIST's IDX files")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--digits", action="store_true", help="digits alone, in half a minute")
    parser.add_argument("--threads", type=int, help="by default torch's own number")
    given = parser.parse_args()
    torch.set_num_threads(given.threads or torch.get_num_threads())
    digits = open_data("digits")
    of_digits = choose_likelihood(digits.train.values)
    small = {"latent_dim": 2, "num_components": 16, "init": "random"}
    name_of_digits = "digits, K = 16"
    if given.digits:
        row = epochs_beside(
            name_of_digits, digits, of_digits, 15, given.turns, batch_size=64, **small
        )
        results = json.loads(RESULTS.read_text()) | {"digits": row | {"threads": given.threads}}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps(results["digits"], indent=2))
        return
    mnist, of_mnist = images(given.mnist)
    large = {
        "latent_dim": 40,
        "num_components": 500,
        "hidden_sizes": (300, 300),
        "network": "gated-mlp",
    }
    rows = [
        epochs_beside(name_of_digits, digits, of_digits, 15, given.turns, batch_size=64, **small)
    ]
    for size in (100, 1000):
        name = f"{mnist.name}, K = 500, batches of {size}"
        rows.append(epochs_beside(name, mnist, of_mnist, 2, given.turns, batch_size=size, **large))
    costs = [step_costs(mnist, of_mnist, size, **large) for size in (100, 1000)]
    results = {
        "machine": {"processor": platform.processor() or platform.machine()},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "epochs": rows,
        "vamp_over_standard": costs,
        "memory_mib": memory(mnist, of_mnist, **large),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    lines = table(results)
    put_table("speed.md", "training table", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
