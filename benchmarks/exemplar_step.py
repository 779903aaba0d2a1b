"""Time a training step with the exemplar prior: `python benchmarks/exemplar_step.py`.

A step is the loss of a VAE on a batch and its gradient, with every training image an exemplar or
with a subset drawn anew. Its parts are timed by themselves: the encoding of the exemplars, and the
prior's density of the batch given the encodings, each forward and backward. The latter is also
timed with a copy of the components for each example, as mixtures of their own need it. The time is
the processor's with `--threads 1`, and of a few steps the fastest counts.

    python benchmarks/exemplar_step.py --images train-images-idx3-ubyte --threads 1

takes the images of MNIST from a file in its own format, packed by gzip or not; without one, random
images of the same shape do. A table is printed, and the figures are written with the machine's
description to `benchmarks/results/exemplar_step.json`.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mixture_kernel import machine
from torch import Tensor

from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    Context,
    ExemplarPrior,
    GaussianEncoder,
    GaussianMixture,
    StandardPrior,
    loss,
)

BATCH, LATENT_DIM, SIDE = 100, 40, 28
RESULTS = Path(__file__).parent / "results" / "exemplar_step.json"


def read_images(path: Path | None, count: int) -> Tensor:
    """Return images with values from 0 to 1, `(N, 28, 28)`."""
    if path is None:
        return torch.rand(count, SIDE, SIDE).pow(4)
    file = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    pixels = np.frombuffer(file, np.uint8, offset=16).reshape(-1, SIDE, SIDE)
    return torch.from_numpy(pixels.copy())[:count] / 255


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Return the seconds of the fastest run."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def density_seconds(count: int, repeats: int, *, copied: bool = False) -> float:
    """Time the density of a batch under encoded exemplars, each example without its own."""
    batch = (BATCH,) if copied else ()
    loc = torch.randn(count, LATENT_DIM, requires_grad=True)
    log_scale = torch.zeros(1, requires_grad=True)
    z = torch.randn(BATCH, LATENT_DIM, requires_grad=True)
    itself = torch.arange(BATCH).unsqueeze(-1) == torch.arange(count)

    def run() -> object:
        logits = loc.new_zeros(itself.shape).masked_fill(itself, -torch.inf)
        components = (loc.expand(*batch, *loc.shape), log_scale.exp().expand(*batch, *loc.shape))
        p = GaussianMixture(logits, *components)
        return torch.autograd.grad(p.log_prob(z).sum(), (z, loc, log_scale))

    return fastest(run, repeats)


def encoding_seconds(encoder: GaussianEncoder, x: Tensor, repeats: int) -> float:
    """Time the encoder on the exemplars, forward and backward."""
    parameters = list(encoder.parameters())
    return fastest(lambda: torch.autograd.grad(encoder(x).mean.sum(), parameters[:-1]), repeats)


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a file of images in MNIST's format")
    parser.add_argument("--count", type=int, default=60_000, help="how many images to take")
    parser.add_argument("--subsets", type=int, nargs="*", default=[1000, 5000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    x = read_images(args.images, args.count)
    shape = (SIDE, SIDE)
    encoder = GaussianEncoder(MLP(shape, (2 * LATENT_DIM,)))
    decoder = BernoulliDecoder(MLP((LATENT_DIM,), shape))
    index = torch.arange(BATCH)
    batch, context = (torch.rand(BATCH, *shape) < x[:BATCH]).float(), Context(index=index)

    plain = VAE(encoder, decoder, StandardPrior(LATENT_DIM))
    parameters = list(plain.parameters())
    rest = fastest(lambda: torch.autograd.grad(loss(plain, batch), parameters), 10 * args.repeats)
    results: dict[str, object] = {
        "machine": machine(),
        "images": "random" if args.images is None else "MNIST",
        "standard_prior_step_s": rest,
        "exemplars": {},
    }
    print(f"A step with the standard prior takes {1e3 * rest:.1f} ms.\n")
    print("| exemplars in a step | step s | their encoding s | their density s |")
    print("|---|---|---|---|")
    for count in (*(size for size in args.subsets if size < len(x)), len(x)):
        prior = ExemplarPrior(subset_size=count)
        prior.fit_data(x, encoder)
        vae = VAE(encoder, decoder, prior)
        parameters = list(vae.parameters())
        step = fastest(
            lambda vae=vae, parameters=parameters: torch.autograd.grad(
                loss(vae, batch, context=context), parameters
            ),
            args.repeats,
        )
        row = {
            "step_s": step,
            "encoding_s": encoding_seconds(encoder, x[:count], args.repeats),
            "density_s": density_seconds(count, args.repeats),
        }
        results["exemplars"][str(count)] = row
        cells = [f"{count:,}", *(f"{seconds:.3f}" for seconds in row.values())]
        print("| " + " | ".join(cells) + " |", flush=True)
    with torch.no_grad():
        seconds = fastest(lambda: prior(encoder).log_prob(torch.zeros(1, LATENT_DIM)), args.repeats)
    results["call_without_context_s"] = seconds
    copied = results["density_of_copied_components_s"] = density_seconds(len(x), 1, copied=True)
    print(f"\nA call without a context or a gradient, for one batch to validate: {seconds:.2f} s.")
    print(f"The density with a copy of the components for each example takes {copied:.2f} s.")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
