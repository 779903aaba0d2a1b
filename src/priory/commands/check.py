"""Put a prior through the conformance kit."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from priory.networks.context import Context
from priory.testing import check_prior


def check(
    factory: str,
    latent_dim: int = 2,
    seed: int = 0,
    jitter: float = 0.4,
    skip: Sequence[str] = (),
    labels: Sequence[int] = (),
) -> None:
    """Put any prior through the conformance kit, print the report, and exit with 1 if it fails.

    Args:
        factory: Where to find a function that returns a new prior, as `package.module:make_prior`;
            a class that needs no arguments will do. Modules are also looked for in the working
            directory.
        latent_dim: The number of latent dimensions of the encoder that the prior is called with.
        seed: The seed of all that is random.
        jitter: The standard deviation by which every parameter is moved from its start.
        skip: Names of checks to leave out.
        labels: For a prior that depends on labels: those of a few data to check it for, such as
            `[0, 2]`.

    Raises:
        ImportError: If the module cannot be imported.
        ValueError: If there is no such function in it, or a check to skip is unknown.
        SystemExit: With status 1 if the prior does not pass.

    """
    context = Context(labels=torch.tensor(labels)) if labels else None
    report = check_prior(
        load_factory(factory),
        latent_dim=latent_dim,
        seed=seed,
        jitter=jitter,
        skip=skip,
        context=context,
    )
    print(report)
    if not report.passed:
        raise SystemExit(1)


def load_factory(path: str) -> Callable[[], nn.Module]:
    """Import what `package.module:name` stands for.

    Raises:
        ImportError: If the module cannot be imported.
        ValueError: If the path has another form, or names nothing that can be called.

    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ValueError(f"expected a prior as package.module:make_prior, got {path!r}.")
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"there is no module {error.name!r} (for {path!r}); run the command from the directory "
            "that holds it, or install its package."
        ) from error
    finally:
        sys.path.remove("")
    factory: Any = getattr(module, name, None)
    if not callable(factory):
        raise ValueError(f"expected a function {name!r} in {module_name!r}, got {factory!r}.")
    return factory  # type: ignore[no-any-return]
