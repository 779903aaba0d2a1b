"""Users' own classes, which only the command line can name."""

import functools
import importlib
import sys
from typing import Any

import torch
from torch import nn

from priory.adapters import as_prior
from priory.networks.contract import wrong_part
from priory.runs import Run
from priory.runs.model_options import Factory
from priory.runs.options import OwnClasses, OwnNetworks
from priory.suggestions import short


def open_run(path: str, classes: OwnClasses, device: torch.device | None = None) -> Run:
    """Open a run whose model may contain users' own classes, and move its model to a device."""
    run = Run.open(path, **own_parts(classes))
    if device is not None and device.type != "cpu":
        run.model.to(device)
    return run


def own_parts(classes: OwnNetworks) -> dict[str, Factory]:
    """Return factories for the parts of a trained model that are users' own classes."""
    paths = {name: getattr(classes, name, None) for name in ("encoder", "decoder", "prior")}
    return {
        name: own_part(name, path, getattr(classes, f"{name}_options"))
        for name, path in paths.items()
        if path is not None
    }


def own_part(name: Any, path: str, given: dict[str, Any] | None = None) -> Factory:
    """Return a factory for an encoder, a decoder or a prior of the user's own class.

    Args:
        name: Which of them.
        path: The class or function, as `module:Name`.
        given: Arguments that override others.
    """
    factory = load_object(path, f"{name} as package.module:{name.capitalize()}")

    @functools.wraps(factory, updated=())
    def make(**arguments: Any) -> nn.Module:
        module = factory(**arguments)
        if name == "prior":
            return as_prior(module)
        if not isinstance(module, nn.Module):
            raise wrong_part(module, name)
        return module

    return make if given is None else lambda **_: make(**given)


def own_logger(name: str) -> Any:
    """Return the logger for training curves: the user's own, or the name of one."""
    return load_object(name, "logger as package.module:Logger")() if ":" in name else name


def load_object(path: str, what: str) -> Any:
    """Import the object that `package.module:name` names; the working directory is searched too.

    Args:
        path: The path.
        what: What is expected, for error messages.

    Raises:
        ImportError: If the module cannot be imported.
        ValueError: If the path has a different form, or does not name a callable.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ValueError(f"expected a {what}, got {path!r}.")
    sys.path.append("")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"there is no module {error.name or str(error)!r} (for {path!r}); run the command from "
            "the directory that contains it, or install its package."
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may exit, or raise anything
        raise ImportError(
            f"expected a module that can be imported for {path!r}, got {_said(error)}; fix "
            f"{module_name}."
        ) from error
    finally:
        if "" in sys.path:
            sys.path.remove("")
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ValueError(f"expected a function {name!r} in {module_name!r}, got {factory!r}.")
    return _guarded(factory, path)


def _guarded(factory: Any, path: str) -> Any:
    """Return a function or class whose call cannot exit: anything it raises becomes an error."""

    @functools.wraps(factory, updated=())
    def make(*args: Any, **arguments: Any) -> Any:
        try:
            return factory(*args, **arguments)
        except (KeyboardInterrupt, ValueError, TypeError):
            raise
        except BaseException as error:
            raise ValueError(
                f"expected {path} to create a module, got {_said(error)}; fix it."
            ) from error

    return make


def _said(error: BaseException) -> str:
    return short(f"{type(error).__name__}: {error}".removesuffix(": "))
