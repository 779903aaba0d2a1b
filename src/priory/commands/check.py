"""`priory check`: test a prior with the conformance kit."""

from collections.abc import Sequence

import torch

from priory.arguments import MOST_SEED, within
from priory.commands.own_classes import load_object
from priory.networks.context import Context
from priory.printing import printable
from priory.testing import check_prior


def check(
    factory: str,
    latent_dim: int = 2,
    seed: int = 0,
    jitter: float = 0.4,
    skip: Sequence[str] = (),
    labels: Sequence[int] = (),
) -> None:
    """Test any prior with the conformance kit; the exit status is 1 if it fails.

    Args:
        factory: A function that returns a new prior, or a class that needs no arguments, given as
            `package.module:make_prior`; modules in the working directory work too.
        latent_dim: The number of latent dimensions of the encoder that the prior is called with.
        seed: The random seed.
        jitter: The standard deviation of the random change to every initial parameter.
        skip: Names of checks to leave out.
        labels: A few labels, such as `[0,2]`, for a prior that depends on labels.

    Raises:
        ImportError: If the module cannot be imported.
        ValueError: If there is no such function in it, or a check to skip is unknown.
        SystemExit: With status 1 if the prior does not pass.

    Examples:
        priory check my_module:MyPrior
    """
    within(1, 10_000, latent_dim=latent_dim)
    within(0, MOST_SEED, seed=seed)
    within(0, 100, jitter=jitter)
    report = check_prior(
        load_object(factory, "prior as package.module:make_prior"),
        latent_dim=latent_dim,
        seed=seed,
        jitter=jitter,
        skip=skip,
        context=Context(labels=torch.tensor(labels)) if labels else None,
    )
    print(printable(str(report)))
    if not report.passed:
        raise SystemExit(1)
