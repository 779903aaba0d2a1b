"""Time the mixture beside another version of it: `kernel_against.py --against CHECKOUT/src`.

Both are loaded into this process, the other one twice, and take turns, twenty each. A row says how
many times as long as the other's fastest call ours took, and beside it the same ratio of the other
version to itself, which is what chance alone does here. A step is forward and backward, with
gradients for z, logits, loc and scale.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

SHAPES = [(64, 16, 2), (100, 500, 40), (1000, 500, 40), (256, 5000, 40)]


def load(source: str) -> Any:
    """Return the `GaussianMixture` of the package in a folder, and leave no module behind."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if is_ours(name)}
    sys.path.insert(0, source)
    try:
        mixture = importlib.import_module("priory.distributions").GaussianMixture
        where = sys.modules["priory"].__file__
    finally:
        sys.path.remove(source)
        for name in [name for name in sys.modules if is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)
    if where is None or not os.path.realpath(where).startswith(os.path.realpath(source)):
        raise ValueError(f"expected a package priory in {source}, got {where}; name its src/.")
    return mixture


def is_ours(name: str) -> bool:
    """Return whether a module is the package or lies in it."""
    return name.partition(".")[0] == "priory"


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, metavar="PATH", help="src/ of a checkout")
    parser.add_argument("--turns", type=int, default=20, help="turns of each version")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    versions = {name: load(args.against) for name in ("other", "again")}

    from mixture_kernel import fastest, leaves, machine  # this checkout's package, loaded last

    from priory import GaussianMixture

    versions["ours"] = GaussianMixture
    print(machine())
    print("| (B, K, L) | what | ours ms | other ms | ours / other | other / itself |")
    print("|---|---|---|---|---|---|")
    for shape in SHAPES:
        inputs = leaves(*shape)

        def forward(mixture: Any, inputs: list[torch.Tensor] = inputs) -> torch.Tensor:
            z, *parameters = inputs
            return mixture(*parameters, validate_args=False).log_prob(z)

        def step(mixture: Any, inputs: list[torch.Tensor] = inputs) -> object:
            return torch.autograd.grad(forward(mixture, inputs).sum(), inputs)

        for what, run in {"forward": torch.no_grad()(forward), "step": step}.items():
            calls: dict[str, Callable[[], object]] = {
                name: lambda run=run, mixture=mixture: run(mixture)
                for name, mixture in versions.items()
            }
            best = fastest(calls, turns=args.turns)
            ours, other, again = best["ours"], best["other"], best["again"]
            ratios = f"{ours / min(other, again):.3f} | {again / other:.3f}"
            print(f"| {shape} | {what} | {ours:.4g} | {other:.4g} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
