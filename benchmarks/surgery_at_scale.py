"""Take the ELBO of 60,000 data apart: `python benchmarks/surgery_at_scale.py`.

Mutual information and marginal KL are exact in the N components of q(z): N times N densities in 40
dimensions, here of images of MNIST's size under a gated network of 300-300 units each way and a
VampPrior of 500 pseudo-inputs. Images and weights are random, and the posteriors as narrow and as
far apart as those of a trained model: scales of 0.2 about means of unit variance. Time is that of
the wall, beside that of the processors, and memory the most that the process held, beside what it
held with the model and the data before. They are written to
`benchmarks/results/surgery_at_scale.json`.

What we expected from 3.5 s for 10,000 data: 36 times as much, 126 s of one processor, and so about
65 s of two; and well below 1 GB, for densities are there in blocks of 32 MB. It was 25 ns of a
processor for each pair, four times those of the matrix product, where densities this far apart met
an exponential that underflows; without that it is 11, and 40 s of one processor in all.
"""

import argparse
import json
import math
import resource
import time
from dataclasses import asdict
from pathlib import Path

import torch
from mixture_kernel import machine
from nll_speed import DATA_DIM, LATENT_DIM, make_model
from torch import Tensor

from priory import VAE
from priory.evaluation import surgery

RESULTS = Path(__file__).parent / "results" / "surgery_at_scale.json"


@torch.no_grad()
def spread_posteriors(vae: VAE, x: Tensor) -> None:
    """Move means apart and narrow scales, as training does."""
    last = vae.encoder.network.layers[-1]
    means, scales = (part.view(-1) for part in last.bias.split(LATENT_DIM))
    last.weight[:LATENT_DIM] /= vae.encode(x).std(0)[:, None]
    last.weight[LATENT_DIM:] = 0
    means.zero_()
    means -= vae.encode(x).mean(0)
    scales.fill_(math.log(0.2))


def peak_mib() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print what was found and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60_000, help="the number of data N")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    vae, x = make_model(), torch.randint(0, 2, (args.count, DATA_DIM)).float()
    spread_posteriors(vae, x[:2000])
    surgery(vae, x[:100])
    before, start, cpu = peak_mib(), time.perf_counter(), time.process_time()
    terms = surgery(vae, x)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    results = {
        "machine": machine(),
        "num_data": args.count,
        "seconds": seconds,
        "processor_seconds": cpu,
        "peak_mib_before": before,
        "peak_mib": peak_mib(),
        "mutual_information": asdict(terms.mutual_information),
        "marginal_kl": asdict(terms.marginal_kl),
    }
    print(
        f"{args.count} x {args.count}: {seconds:.1f} s ({cpu:.1f} s of processors), "
        f"{peak_mib() - before:.0f} MiB beyond {before:.0f} MiB; mutual information "
        f"{terms.mutual_information}, marginal KL {terms.marginal_kl}."
    )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
