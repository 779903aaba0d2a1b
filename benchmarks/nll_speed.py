"""Time the NLL of a VampPrior beside a loop over data: `python benchmarks/nll_speed.py`.

Both take S = 5000 importance samples for each example of MNIST's size, under a gated network of
300-300 units each way, 40 latent dimensions and K = 500 pseudo-inputs. The loop takes one
example at a time, its samples in chunks of 100, and the mixture's density by broadcasting. It
comes in three forms:

- `published`, as the VampPrior's own code has it: with each chunk, the example's copies and all
  pseudo-inputs are encoded again;
- `per example`: the pseudo-inputs are encoded again for each example, and each example once;
- `once`: the pseudo-inputs are encoded once, as ours are.

Before the times, the log-weights of both are compared at the same z, and after them the estimates
for the same data, which differ by their noise alone. The time is the processor's with
`--threads 1`. It was random images and weights that were timed, for times depend on neither. The
figures are written to `benchmarks/results/nll_speed.json`, and a table of them to `docs/speed.md`.

What we expected, on one thread: decoding 5000 samples of an example is 4.4 GFLOP and takes both
0.1 s, log p(x|z) of them 0.05 s more. The mixture by broadcasting goes seven times through 1e8
numbers, about 0.7 s; ours is a matrix product of 0.4 GFLOP in float64 and 2.5e6 exponentials,
0.05 s. So 5 times with the pseudo-inputs encoded once or for each example; and 10 times as
published, where 30,000 encodings an example add 0.7 s.

What was found, on two free cores: 10.5 times as published, 2.8 to 3.4 times otherwise. Of our
0.07 s an example about half goes to the decoder's matrix products, which both pay: no mixture
however fast could make the latter 10.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from mixture_kernel import machine
from tables import put_table
from torch import Tensor

from priory import VAE, BernoulliDecoder, GaussianEncoder, VampPrior
from priory.evaluation import NLL, negative_log_likelihood
from priory.networks import GatedMLP

DATA_DIM, LATENT_DIM, WIDTHS, COMPONENTS = 784, 40, (300, 300), 500
CHUNK = 100
RESULTS = Path(__file__).parent / "results" / "nll_speed.json"
FORMS = ("published", "per example", "once")


def make_model() -> VAE:
    """Return a model of MNIST's size that was never trained."""
    encoder = GaussianEncoder(GatedMLP((DATA_DIM,), (2 * LATENT_DIM,), WIDTHS))
    decoder = BernoulliDecoder(GatedMLP((LATENT_DIM,), (DATA_DIM,), WIDTHS))
    return VAE(encoder, decoder, VampPrior(COMPONENTS, (DATA_DIM,))).eval()


def gaussian_log_prob(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density of a diagonal Gaussian."""
    log_var = 2 * scale.log()
    terms = -0.5 * (math.log(2 * math.pi) + log_var + torch.exp(-log_var) * (z - loc) ** 2)
    return terms.sum(-1)


def encoded(vae: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means and the scales of posteriors."""
    q = vae.encoder(x).base_dist
    return q.loc, q.scale


def mixture_log_prob(vae: VAE, z: Tensor, components: tuple[Tensor, Tensor]) -> Tensor:
    """Return log p(z) by broadcasting, `(S,)`."""
    loc, scale = (t.unsqueeze(0) for t in components)
    densities = gaussian_log_prob(z.unsqueeze(1), loc, scale)  # (S, K, L) on the way
    return torch.logsumexp(densities + vae.prior.logits.log_softmax(0), 1)


def log_weights(
    vae: VAE,
    x: Tensor,
    z: Tensor,
    posterior: tuple[Tensor, Tensor],
    of_prior: tuple[Tensor, Tensor],
) -> Tensor:
    """Return log p(x|z) + log p(z) - log q(z|x) of the samples of one example, `(S,)`."""
    likelihood = vae.decoder(z).log_prob(x.expand(len(z), -1))
    return likelihood + mixture_log_prob(vae, z, of_prior) - gaussian_log_prob(z, *posterior)


@torch.no_grad()
def loop(vae: VAE, x: Tensor, num_samples: int, form: str) -> Tensor:
    """Return the NLL of each example, one after the other."""
    estimates = []
    of_prior = encoded(vae, vae.prior.pseudo_inputs)
    for one in x:
        posterior = encoded(vae, one[None])
        if form == "per example":
            of_prior = encoded(vae, vae.prior.pseudo_inputs)
        weights = []
        for start in range(0, num_samples, CHUNK):
            size = min(CHUNK, num_samples - start)
            if form == "published":
                of_prior = encoded(vae, vae.prior.pseudo_inputs)
                posterior = encoded(vae, one.expand(size, -1))
            z = posterior[0] + posterior[1] * torch.randn(size, LATENT_DIM)
            weights.append(log_weights(vae, one, z, posterior, of_prior))
        estimates.append(math.log(num_samples) - torch.cat(weights).double().logsumexp(0))
    return torch.stack(estimates)


@torch.no_grad()
def check_same_weights(vae: VAE, x: Tensor) -> float:
    """Return by how much the log-weights of both differ at the same z, in nats."""
    z = vae.posterior(x[:1]).sample((1000,))
    ours = vae.likelihood(z).log_prob(x[:1]) + vae.prior_distribution().log_prob(z)
    ours = (ours - vae.posterior(x[:1]).log_prob(z)).squeeze(1)
    theirs = log_weights(
        vae, x[0], z.squeeze(1), encoded(vae, x[:1]), encoded(vae, vae.prior.pseudo_inputs)
    )
    difference = float((ours - theirs).abs().max())
    assert difference < 2e-3, f"the log-weights differ by {difference} nats"
    return difference


def check_same_estimates(ours: NLL, theirs: Tensor) -> float:
    """Return by how many standard errors of their noise the estimates differ at the most."""
    variance = 1 / ours.effective_sample_size.double() - 1 / ours.num_samples
    error = (2 * variance[: len(theirs)]).sqrt()
    difference = float(((ours.per_example[: len(theirs)].double() - theirs) / error).abs().max())
    assert difference < 5, f"the estimates differ by {difference} standard errors"
    return difference


def table(seconds: dict[str, float]) -> list[str]:
    """Return the lines of the table."""
    loops = {
        "ours": "ours",
        "published": "a loop as published, all encoded with each chunk",
        "per example": "a loop, pseudo-inputs encoded for each example",
        "once": "a loop, pseudo-inputs encoded once",
    }
    rows = (
        f"| {loops[who]} | {time_of:.3f} | {time_of / seconds['ours']:.1f} |"
        for who, time_of in seconds.items()
    )
    return ["| | s per example | over ours |", "| --- | --- | --- |", *rows]


def main() -> None:
    """Print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--data", type=int, default=64, help="how many data for ours")
    parser.add_argument("--loop-data", type=int, default=4, help="how many for the loop")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    vae, x = make_model(), torch.rand(args.data, DATA_DIM).round()
    few = x[: args.loop_data]
    weights = check_same_weights(vae, x)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    seconds = dict.fromkeys(("ours", *FORMS), math.inf)
    errors = []
    for _ in range(args.turns):
        start = clock()
        ours = negative_log_likelihood(vae, x, args.samples)
        seconds["ours"] = min(seconds["ours"], (clock() - start) / len(x))
        for form in FORMS:
            start = clock()
            theirs = loop(vae, few, args.samples, form)
            seconds[form] = min(seconds[form], (clock() - start) / len(few))
            errors.append(check_same_estimates(ours, theirs))
    ratios = {form: seconds[form] / seconds["ours"] for form in FORMS}
    results = {
        "machine": machine(),
        "samples": args.samples,
        "seconds_per_example": seconds,
        "over_ours": ratios,
        "log_weights_differ_by_nats": weights,
        "estimates_differ_by_standard_errors": max(errors),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    put_table("speed.md", "nll table", table(seconds))
    print("\n".join(table(seconds)))


if __name__ == "__main__":
    main()
