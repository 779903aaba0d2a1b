"""Other people's models as encoders, their distributions as priors, and priors in their libraries.

Each library has its own file here, which is imported when it is used:
`priory.adapters.pyro.to_pyro`.
"""

import pkgutil
from importlib import import_module
from typing import Any

from priory.adapters import presets
from priory.adapters.foreign_prior import as_prior
from priory.adapters.moments import posterior

posterior.pythae = presets.pythae  # type: ignore[attr-defined]
posterior.diffusers = presets.diffusers  # type: ignore[attr-defined]

__all__ = ["as_prior", "posterior"]

HOSTS = {file.name for file in pkgutil.iter_modules(__path__)}


def __getattr__(name: str) -> Any:
    if name in HOSTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
