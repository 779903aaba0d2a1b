"""How loose is the NLL? `python benchmarks/tighter_bounds.py runs/mnist-vamp-0`.

Importance sampling from q(z|x) overestimates -log p(x), and a heavy tail of the weights hides by
how much. Annealed importance sampling (Neal 2001) carries samples of q to the posterior through

    f_b(z) = (1 - b) log q(z|x) + b log p(x, z),    b from 0 to 1,

with a Hamiltonian step at each b (Wu et al., *On the quantitative analysis of decoder-based
generative models*, 2017), and also gives an upper bound on -log p(x), for test examples of the run.
For examples that the model itself has made, a sample of the exact posterior is known, and the same
path run backwards gives a lower bound (bidirectional Monte Carlo, Grosse et al. 2015): there the
truth lies between the two, so the difference says how far below the first bound it can be.

The step sizes of each example are found in a first run with few chains and then kept, so that the
weights are those of the theory. First the script does all this for a linear Gaussian model, whose
NLL is known. The numbers go to `benchmarks/results/tighter_bounds.json`.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from priory import VAE
from priory.evaluation import negative_log_likelihood
from priory.runs import Run

RESULTS = Path(__file__).parent / "results" / "tighter_bounds.json"
ACCEPTED, FASTER, SLOWER = 0.65, 1.05, 0.95
LogDensity = Callable[[Tensor], Tensor]


@dataclass
class Bridge:
    """The densities between a proposal and an unnormalised target, `(S, B)` each."""

    proposal: LogDensity
    target: LogDensity
    temperatures: Tensor
    leapfrogs: int

    def at(self, b: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-density at a temperature, its gradient, and its slope in b."""
        z = z.detach().requires_grad_()
        start, end = self.proposal(z), self.target(z)
        density = (1 - b) * start + b * end
        (gradient,) = torch.autograd.grad(density.sum(), z)
        return density.detach(), gradient, (end - start).detach()

    def move(self, b: Tensor, z: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Make a Hamiltonian step; return the points and the shares accepted of each example."""
        velocity = torch.randn_like(z)
        density, gradient, _ = self.at(b, z)
        energy, new = density - 0.5 * velocity.square().sum(-1), z
        for _ in range(self.leapfrogs):
            velocity = velocity + 0.5 * step * gradient
            new = new + step * velocity
            density, gradient, _ = self.at(b, new)
            velocity = velocity + 0.5 * step * gradient
        chance = (density - 0.5 * velocity.square().sum(-1) - energy).exp().clamp(max=1)
        accepted = torch.rand_like(chance) < chance.nan_to_num(0)
        return torch.where(accepted.unsqueeze(-1), new, z), accepted.float().mean(0)

    def forward(self, z: Tensor, steps: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the log-weights of samples of the proposal, and the step sizes.

        Without step sizes they are adapted on the way, and the weights are not to be used.
        """
        weights, used = z.new_zeros(z.shape[:-1]), []
        step = z.new_full((z.shape[1], 1), 0.1)
        for t, (before, b) in enumerate(
            zip(self.temperatures, self.temperatures[1:], strict=False)
        ):
            weights += (b - before) * self.at(b, z)[2]
            step = step if steps is None else steps[t]
            z, accepted = self.move(b, z, step)
            used.append(step)
            if steps is None:
                step = step * torch.where(accepted > ACCEPTED, FASTER, SLOWER).unsqueeze(-1)
        return weights, torch.stack(used)

    def backward(self, z: Tensor, steps: Tensor) -> Tensor:
        """Return the log-weights of the same path from samples of the target."""
        weights = z.new_zeros(z.shape[:-1])
        for t in reversed(range(len(steps))):
            b, before = self.temperatures[t + 1], self.temperatures[t]
            z, _ = self.move(b, z, steps[t])
            weights += (b - before) * self.at(b, z)[2]
        return weights


def log_mean(weights: Tensor) -> Tensor:
    """Return the logarithm of the mean of weights over chains."""
    return weights.logsumexp(0) - math.log(len(weights))


def bounds(path: Bridge, draw: Callable[[int], Tensor], exact: Tensor | None, chains: int) -> Any:
    """Return an upper bound on -log p(x) of each example and, from exact samples, a lower one."""
    _, steps = path.forward(draw(4), None)
    upper = -log_mean(path.forward(draw(chains), steps)[0])
    if exact is None:
        return upper, None
    return upper, log_mean(-path.backward(exact.expand(chains, *exact.shape), steps))


def path_of(vae: VAE, x: Tensor, given: Any) -> tuple[Bridge, Callable[[int], Tensor]]:
    """Return the path from q(z|x) to the posterior of a model, and its start."""
    with torch.no_grad():
        q, p = vae.posterior(x), vae.prior_distribution()

    def target(z: Tensor) -> Tensor:
        return vae.likelihood(z).log_prob(x) + p.log_prob(z)

    b = torch.linspace(-1, 1, given.temperatures + 1).mul(4).sigmoid()  # finer at both ends
    b = (b - b[0]) / (b[-1] - b[0])
    return Bridge(q.log_prob, target, b, given.leapfrogs), lambda n: q.sample((n,))


def check(given: Any) -> None:
    """Print the bounds for a linear Gaussian model, whose NLL is known."""
    torch.manual_seed(0)
    weight, noise = torch.randn(12, 5), 0.3
    marginal = MultivariateNormal(torch.zeros(12), weight @ weight.mT + noise**2 * torch.eye(12))
    covariance = torch.linalg.inv(torch.eye(5) + weight.mT @ weight / noise**2)
    x = marginal.sample((50,))
    mean = x @ weight @ covariance / noise**2
    exact = MultivariateNormal(mean, covariance).sample()
    q = Independent(Normal(mean + 0.1, covariance.diagonal().sqrt().expand_as(mean)), 1)

    def target(z: Tensor) -> Tensor:
        likelihood = Normal(z @ weight.mT, noise).log_prob(x).sum(-1)
        return likelihood + Normal(0.0, 1.0).log_prob(z).sum(-1)

    path = Bridge(q.log_prob, target, torch.linspace(0, 1, given.temperatures + 1), given.leapfrogs)
    upper, lower = bounds(path, lambda n: q.sample((n,)), exact, given.chains)
    truth = -marginal.log_prob(x)
    print(f"linear Gaussian: {lower.mean():.3f} <= {truth.mean():.3f} <= {upper.mean():.3f}")


def measured(vae: VAE, x: Tensor, exact: Tensor | None, given: Any) -> dict[str, float]:
    """Return the mean bounds on the NLL of examples, in nats, and their errors over examples."""
    uppers, lowers = [], []
    for rows in torch.arange(len(x)).split(given.at_once):
        path, draw = path_of(vae, x[rows], given)
        upper, lower = bounds(path, draw, None if exact is None else exact[rows], given.chains)
        uppers.append(upper)
        lowers += [] if lower is None else [lower]
        print(f"{int(rows[-1]) + 1} examples: {torch.cat(uppers).mean():.2f}", flush=True)
    sampled = negative_log_likelihood(vae, x, given.samples).per_example
    gain = sampled - torch.cat(uppers)
    numbers = {
        "importance_sampled": float(sampled.mean()),
        "annealed": float(torch.cat(uppers).mean()),
        "gain": float(gain.mean()),
        "gain_standard_error": float(gain.std() / len(x) ** 0.5),
    }
    if lowers:
        gap = torch.cat(uppers) - torch.cat(lowers)
        numbers |= {
            "gap": float(gap.mean()),
            "gap_standard_error": float(gap.std() / len(x) ** 0.5),
        }
    return numbers


def main() -> None:
    """Measure a run, and write its numbers down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", help="a run; without one, only the check is made")
    parser.add_argument("--examples", type=int, default=500, help="how many test examples")
    parser.add_argument("--simulated", type=int, default=100, help="how many made by the model")
    parser.add_argument("--chains", type=int, default=16, help="chains for each example")
    parser.add_argument("--temperatures", type=int, default=500, help="temperatures of the path")
    parser.add_argument("--leapfrogs", type=int, default=3, help="leapfrog steps at each of them")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples beside them")
    parser.add_argument("--at-once", type=int, default=50, help="examples at a time")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    given = parser.parse_args()
    run = None if given.run is None else Run.open(given.run)
    torch.set_default_device(given.device)
    check(given)
    if run is None:
        return
    vae, test, start = run.model.to(given.device), run.test, time.perf_counter()
    for parameter in vae.parameters():
        parameter.requires_grad_(False)
    chosen = torch.linspace(0, len(test) - 1, given.examples).long()
    numbers = {"settings": {k: v for k, v in vars(given).items() if k != "run"}}
    numbers["test"] = measured(vae, test.tensor().to(given.device)[chosen], None, given)
    torch.manual_seed(1)
    z = vae.prior_distribution().sample((given.simulated,))
    numbers["simulated"] = measured(vae, vae.likelihood(z).sample(), z, given)
    numbers["seconds"] = time.perf_counter() - start
    before = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(before | {Path(given.run).name: numbers}, indent=1) + "\n")
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
