"""How the parts of a model are called: which of them receive the context, and what they return."""

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from priory.arrays import Array
from priory.distributions.torch_distributions import unchecked_in_export
from priory.networks.context import Context
from priory.networks.contract import Role, name_the_adapter, wrong_part, wrong_result
from priory.networks.home import brought

Encoder = Callable[..., Distribution]
"""A module called as `encoder(x, context=None)` that returns a distribution over z."""

Decoder = Callable[..., Distribution]
"""A module called as `decoder(z, context=None)` that returns a distribution over x."""


def call(
    module: Callable[..., Any], argument: Any, context: Context, role: Role = "encoder"
) -> Distribution:
    """Call a part of a model for its distribution, with the context if it takes one.

    Data and points are moved to the device of an encoder's or a decoder's parameters.

    Raises:
        TypeError: If it cannot be called, or does not return a distribution (over vectors, for an
            encoder or a prior).
    """
    if not callable(module):
        raise wrong_part(module, role)
    if role != "prior" and isinstance(argument, Tensor):
        moved = at_home(argument, module)
        if moved is not argument:
            argument, context = moved, context.to(moved.device)
    try:
        result = unchecked_in_export(tell, module, argument, context)
    except (AttributeError, TypeError) as error:
        if role == "prior":
            name_the_adapter(module, error)
        raise
    if not isinstance(result, Distribution) or (role != "decoder" and len(result.event_shape) != 1):
        raise wrong_result(result, role)
    return result


def at_home(x: Tensor | Array, module: Callable[..., Any]) -> Tensor:
    """Return data as a tensor on the device of a module's parameters."""
    if type(x) is Tensor and isinstance(module, nn.Module) and not x.is_complex():
        first = next(module.parameters(), None)
        if first is not None and first.device == x.device:
            return x
    return brought(x, module)


def tell(module: Callable[..., Any], argument: Any, context: Context) -> Any:
    """Call a module, with the context of the examples if it declares that it takes one.

    A module declares this with an attribute `num_labels` or `num_batches` (how many it takes), or
    `exposure`, that is not None, like the networks here; priors always receive the context. Any
    other callable is called with one argument, so an `nn.Sequential`, a function or a bound method
    works as an encoder.
    """
    return module(argument, context) if _declares(module) else module(argument)


def num_arguments(module: nn.Module) -> int:
    """Return how many of `(encoder, context)` to pass to a foreign module that returns a prior.

    They end with the last one that it declares, requires, or has a parameter with that name for.
    """
    if _declares(module):
        return 2
    asks = [
        p.default is Parameter.empty or p.name in ("encoder", "context")
        for p in _by_position(module)
    ]
    return max((count for count, asked in enumerate(asks, 1) if asked), default=0)


def requires_encoder(module: nn.Module) -> bool:
    """Return whether a foreign module that returns a prior needs an encoder."""
    return any(p.default is Parameter.empty for p in _by_position(module)[:1])


def _by_position(module: nn.Module) -> list[Parameter]:
    inner = getattr(module, "_orig_mod", module)  # of a compiled one
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in signature(inner.forward).parameters.values() if p.kind in kinds]


def num_labels_of(module: object) -> int | None:
    """Return the number of labels that a module declares that it takes, or None."""
    number: int | None = _declared(module, "num_labels")
    return number


def num_batches_of(module: object) -> int | None:
    """Return the number of batches that a module declares that it takes, or None."""
    number: int | None = _declared(module, "num_batches")
    return number


def exposure_of(module: object) -> str | None:
    """Return how a decoder takes exposures, `"total"` or `"given"`; None if it takes none."""
    kind: str | None = _declared(module, "exposure")
    return kind


def takes_any_batch(decoder: object) -> bool:
    """Return whether a decoder and its network are from this library, which take `(*batch, L)`."""
    inner = _unwrapped(getattr(decoder, "_orig_mod", decoder))
    return all(
        type(module).__module__.startswith(f"{__name__.split('.')[0]}.")
        for module in (inner, getattr(inner, "network", inner))
    )


def _declares(module: object) -> bool:
    if isinstance(module, partial) and "context" in module.keywords:
        return False
    inner = _unwrapped(module)
    facts = ("num_labels", "num_batches", "exposure")
    return hasattr(type(inner), "takes_context") or any(
        _declared(inner, n) is not None for n in facts
    )


def _declared(module: object, name: str) -> Any:
    return getattr(_unwrapped(module), name, None)


def _unwrapped(module: object) -> object:
    """Return the module inside a wrapper, including compiled modules and their methods."""
    if isinstance(module, nn.Module):
        if isinstance(module, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            return _unwrapped(module.module)
        return module._modules.get("_orig_mod", module)
    if isinstance(module, partial):
        return _unwrapped(module.func)
    return getattr(module, "__self__", module)
