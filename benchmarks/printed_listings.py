"""What each difference between Priory and the printed listings costs, in a number.

    python benchmarks/printed_listings.py

prints a table in Markdown and writes it to `benchmarks/results/printed_listings.md`, which the page
*Differences from the printed listings* shows. Each function states a listing's behaviour in a line
or two of its own and measures it against the equation. It needs scikit-learn for the digits.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from priory import FactorizedGaussianMixture, GaussianMixture, VampPrior
from priory.data import open_digits

RESULTS = Path(__file__).parent / "results" / "printed_listings.md"


def log_sum_exp_per_dimension() -> str:
    """Two narrow components at (−3, −3) and (3, 3), with equal weights."""
    loc = torch.tensor([[-3.0, -3.0], [3.0, 3.0]])
    arguments = (torch.zeros(2), loc, torch.full((2, 2), 0.5))
    joint, product = GaussianMixture(*arguments), FactorizedGaussianMixture(*arguments)
    z = product.sample((100_000,))
    crossed = (z[:, 0] * z[:, 1] < 0).float().mean()
    at_mode = joint.log_prob(loc[0]) - product.log_prob(loc[0])
    crossing = torch.tensor([-3.0, 3.0])
    at_crossing = joint.log_prob(crossing) - product.log_prob(crossing)
    return (
        f"two components of two dimensions: {crossed:.0%} of the mass lies at crossings where the "
        f"mixture has log-density {at_crossing:.0f} nats lower; at a mode the density is "
        f"{at_mode:.2f} nats too low"
    )


def exponentiated_log_variance() -> str:
    """Draw from one component as printed: mean plus noise times exp(log-variance)."""
    spreads = []
    for log_variance in (-2.0, 2.0):
        noise = torch.randn(100_000, dtype=torch.float64)
        printed = (noise * math.exp(log_variance)).std()
        spreads.append(f"{printed:.2f} where the density says {math.exp(log_variance / 2):.2f}")
    return (
        "at log-variances of -2 and 2, samples have a standard deviation of "
        f"{spreads[0]}, and of {spreads[1]}"
    )


def one_over_n() -> str:
    """K components, each weighted by one over the number of data."""
    data, components = 1000, 16
    return (
        f"with N = {data} and K = {components} the density integrates to {components / data:.3f}, "
        f"and every log-density is {math.log(data / components):.2f} nats too low"
    )


def one_value_per_dimension() -> str:
    """Log p(z) as an array of shape (B, L), averaged like one of shape (B,)."""
    for_each = torch.distributions.Normal(torch.zeros(40), 1.0).log_prob(torch.randn(10_000, 40))
    return (
        f"at L = 40, a mean over the whole array gives {for_each.mean():.1f} nats for a "
        f"log-density of {for_each.sum(-1).mean():.1f}: the prior counts 40 times too little"
    )


def multiplier() -> str:
    """Use a name that is never defined."""
    return "the mixture as printed cannot be built (NameError); here it is `spread`, one by default"


def pseudo_inputs_beyond_the_data() -> str:
    """Uniform noise in [0, 17) for values from 0 to 16."""
    printed = 17 * torch.rand(10_000, 64)
    ours = VampPrior(10_000, (64,), data_range=(0, 16)).pseudo_inputs
    return (
        f"on digits {(printed > 16).float().mean():.1%} of the values lie beyond those of the data "
        f"at the start (here {(ours > 16).float().mean():.0%}), and nothing bounds them in training"
    )


def unused_data() -> str:
    """Measure how far pseudo-inputs start from the nearest training image."""
    x = open_digits().x[:1000]
    distances = {}
    for init in ("random", "data"):
        prior = VampPrior(16, (8, 8), data_range=(0, 16), init=init)
        prior.fit_data(x, lambda _: None)
        distances[init] = torch.cdist(prior.pseudo_inputs.flatten(1), x.flatten(1)).amin(1).mean()
    return (
        "the argument is accepted and ignored; on digits pseudo-inputs start at a mean distance of "
        f"{distances['random']:.1f} from the nearest image (grey values), and of "
        f'{distances["data"]:.1f} with `init="data"`'
    )


def constants_that_are_no_buffers() -> str:
    """Means kept as a plain tensor, in a module that is then moved to double precision."""

    class Printed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.means = torch.zeros(1, 2)

    moved = Printed().double()
    return (
        f"after `.double()` the means are still {str(moved.means.dtype).removeprefix('torch.')}; "
        "on a GPU they and the noise stay on the CPU, and the density raises an error"
    )


def one_sample_at_a_time() -> str:
    """10,000 samples of K = 16, L = 2: a loop that appends each one, against one draw."""
    p = GaussianMixture(torch.zeros(16), torch.randn(16, 2), torch.ones(16, 2))

    def loop() -> None:
        index = torch.multinomial(p.logits.exp(), 10_000, replacement=True)
        noise = torch.randn(10_000, 2)
        z = torch.zeros(0, 2)
        for i in range(10_000):
            row = p.loc[[int(index[i])]] + noise[[i]] * p.scale[[int(index[i])]]
            z = torch.cat((z, row), 0)

    ratio = _seconds(loop, 1) / _seconds(lambda: p.sample((10_000,)), 20)
    return f"10,000 samples take about {float(f'{ratio:.1g}'):.0f} times as long as one draw of all"


def _seconds(function: Callable[[], object], repeats: int) -> float:
    function()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


DIFFERENCES = {
    "log-sum-exp over components in each dimension, dimensions summed afterwards": (
        log_sum_exp_per_dimension
    ),
    "samples spread by exp(log-variance), as if it were a standard deviation": (
        exponentiated_log_variance
    ),
    "1/N in equation 4.48, where there are K pseudo-inputs": one_over_n,
    "`log_prob` of shape (B, L)": one_value_per_dimension,
    "the undefined `multiplier`": multiplier,
    "pseudo-inputs drawn beyond the largest example": pseudo_inputs_beyond_the_data,
    "the unused `data`": unused_data,
    "constants that are not buffers, noise drawn on the CPU": constants_that_are_no_buffers,
    "a Python loop for each sample": one_sample_at_a_time,
}


def main() -> None:
    """Measure every difference, print the table and write it."""
    rows = ["| as printed | what it costs |", "|---|---|"]
    for difference, measure in DIFFERENCES.items():
        torch.manual_seed(0)
        rows.append(f"| {difference} | {measure()} |")
    table = "\n".join(rows) + "\n"
    RESULTS.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
