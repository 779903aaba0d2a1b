"""Time training steps with one thread and with all: `python benchmarks/threads.py`.

A step is the loss of a VampPrior's VAE, its gradient and Adamax, of models from the size of the
digits to that of MNIST. For each: the multiplications by which `priory.training.threads_for`
decides, and the milliseconds by the clock and of the processor, with one thread and with all. The
fastest of several rounds counts, in which the numbers of threads take turns.
"""

import argparse
import os
import time

import torch

from priory import VAE, VampPrior, loss
from priory.distributions.torch_distributions import without_argument_checks
from priory.likelihoods import choose_likelihood
from priory.training import make_networks
from priory.training.machine import multiplications

SIZES = [  # data, hidden layers, L, K and batch
    (64, (256, 256), 2, 16, 64),
    (64, (256, 256), 16, 70, 64),
    (784, (300, 300), 40, 100, 100),
    (784, (300, 300), 40, 500, 100),
    (784, (500, 500), 40, 500, 100),
    (784, (500, 500), 40, 500, 1000),
]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds, most = parser.parse_args().rounds, torch.get_num_threads()
    print(f"| data, hidden, K, batch | multiplications | 1 thread | {most} threads |")
    print("| --- | --- | --- | --- |")
    for data, hidden, latents, components, batch in SIZES:
        x = (torch.rand(batch, data) < 0.3).float()
        networks = make_networks(choose_likelihood(x), (data,), latents, hidden)
        vae = VAE(*networks, VampPrior(components, (data,)))
        optimizer = torch.optim.Adamax(vae.parameters(), lr=1e-3, foreach=True)

        def step(vae=vae, optimizer=optimizer, x=x) -> None:
            optimizer.zero_grad()
            loss(vae, x).backward()
            optimizer.step()

        work = multiplications(vae, batch)
        steps = max(3, int(3e9 / work) if work > 1e8 else 30)
        best: dict[int, tuple[float, float]] = {}
        with without_argument_checks():
            for _ in range(rounds):
                for threads in (1, most):
                    torch.set_num_threads(threads)
                    step()
                    clock, processor = time.perf_counter(), time.process_time()
                    for _ in range(steps):
                        step()
                    took = time.perf_counter() - clock, time.process_time() - processor
                    took = tuple(1000 * seconds / steps for seconds in took)
                    best[threads] = tuple(map(min, took, best.get(threads, took)))
        cells = [f"{best[n][0]:.2f}, {best[n][1]:.2f} ms" for n in (1, most)]
        size = f"{data}, {hidden}, {components}, {batch}"
        print(f"| {size} | {work:.2g} | {' | '.join(cells)} |", flush=True)
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
