"""The context of a batch: annotations in addition to its values, and which modules receive them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial, wraps
from inspect import Parameter, signature
from typing import Any, get_args

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import one_hot

from priory.arrays import Array, as_tensor
from priory.distributions.torch_distributions import unchecked_in_export
from priory.networks.contract import Role, name_the_adapter, wrong_part, wrong_result
from priory.networks.home import brought

Encoder = Callable[..., Distribution]
"""A module called as `encoder(x, context=None)` that returns a distribution over z."""

Decoder = Callable[..., Distribution]
"""A module called as `decoder(z, context=None)` that returns a distribution over x."""


def _takes_covariates(cls: Any) -> Any:
    """Let a context be created with the name of labels before version 0.2."""
    make = cls.__init__

    @wraps(make)
    def make_either_way(self: Any, *args: Any, covariates: Any = None, **kwargs: Any) -> None:
        if covariates is not None:
            shares = as_tensor(covariates).is_floating_point()
            name = "label_shares" if shares else "labels"
            warnings.warn(
                f"Context(covariates=...) is now Context({name}=...).",
                DeprecationWarning,
                stacklevel=2,
            )
            kwargs[name] = covariates
        make(self, *args, **kwargs)

    cls.__init__ = make_either_way
    return cls


@_takes_covariates
@dataclass(frozen=True, eq=False)
class Context:
    """The positions and annotations of examples; most models do not need one.

    Every field has one row per example of a batch, or is None. Arrays are converted to tensors.

    Attributes:
        index: The position of each example in the training set, `(B,)`.
        labels: The label of each example, a whole number from zero, `(B,)`.
        label_shares: Instead of labels, the share of each label in each example, `(B, C)`.
        exposure: The exposure of each example, above zero, for a decoder of counts: the sequencing
            depth of a cell, the length of a document, `(B,)`.
        batch_label: The batch that each example was measured in, a whole number from zero, `(B,)`:
            a nuisance that the decoder takes as an input, so that z does not need to encode it.

    Raises:
        ValueError: If a field has the wrong shape or dtype, the fields have different lengths, or
            both labels and shares of labels are given.

    Examples:
        >>> import torch
        >>> from priory import Context
        >>> Context(labels=torch.tensor([3, 1, 3]))[1:].labels
        tensor([1, 3])
    """

    index: Int[Tensor, " B"] | None = None
    labels: Int[Tensor, " B"] | None = None
    label_shares: Float[Tensor, "B C"] | None = None
    exposure: Real[Tensor, " B"] | None = None
    batch_label: Int[Tensor, " B"] | None = None

    def __post_init__(self) -> None:
        for name in _FORMS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _checked(name, value))
        if self.labels is not None and self.label_shares is not None:
            raise ValueError(
                "expected labels or label_shares, got both; give the one that the model takes."
            )
        lengths = {name: len(value) for name, value in self._given().items()}
        if len(set(lengths.values())) > 1:
            got = " and ".join(f"{length} {name}" for name, length in lengths.items())
            raise ValueError(f"expected the same number of each, one per example, got {got}.")

    def __getitem__(self, rows: slice | Int[Tensor, "..."]) -> "Context":
        """Return the context of some of the examples."""
        return type(self)(**{name: value[rows] for name, value in self._given().items()})

    def __len__(self) -> int:
        """Return the number of examples in the context, or 0 if it is empty."""
        return next((len(value) for value in self._given().values()), 0)

    def __bool__(self) -> bool:
        """Return whether any field is set."""
        return bool(self._given())

    def to(self, device: torch.device | str) -> "Context":
        """Return the same on another device."""
        if all(value.device == torch.device(device) for value in self._given().values()):
            return self
        return type(self)(**{name: value.to(device) for name, value in self._given().items()})

    def check_batch(self, size: int) -> None:
        """Refuse a batch whose size differs from the number of rows."""
        for name, value in self._given().items():
            if len(value) != size:
                raise ValueError(
                    f"expected {name} of shape ({size}{', C' if value.dim() > 1 else ''}), one for "
                    f"each example of the batch, got {tuple(value.shape)}."
                )

    @property
    def about_labels(self) -> Tensor | None:
        """The labels, or else their shares, or None."""
        return self.labels if self.label_shares is None else self.label_shares

    @property
    def covariates(self) -> Tensor | None:
        """The name of labels, or their shares, before version 0.2."""
        warnings.warn(
            "context.covariates is now context.labels or context.label_shares.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.about_labels

    def _given(self) -> dict[str, Tensor]:
        values = {name: getattr(self, name) for name in _FORMS}
        return {name: value for name, value in values.items() if value is not None}


_FORMS = {field.name: get_args(field.type)[0] for field in fields(Context)}
"""The shape and dtype of each field, which a compiler cannot read from its annotation."""


def _checked(name: str, value: Any) -> Tensor:
    """Return the value of a field as a tensor of its annotated shape, whole numbers as int64."""
    array, form = as_tensor(value), _FORMS[name]
    dims, whole = form.dim_str.split(), form.dtype is Int
    is_whole = not (array.is_floating_point() or array.is_complex() or array.dtype == torch.bool)
    if form.dtype is Real and is_whole:
        array = array.to(torch.get_default_dtype())
    if array.dim() == len(dims) and (is_whole if whole else array.is_floating_point()):
        return array.long() if whole else array
    shape = f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"
    kind = "whole numbers" if whole else "floating-point numbers"
    advice = f"; use {name}.squeeze(-1)" if array.dim() == 2 and array.shape[-1] == 1 else ""
    raise ValueError(
        f"expected {name} of shape {shape}, {kind}, got {array.dtype} of shape "
        f"{tuple(array.shape)}{advice}."
    )


def given(context: Context | None) -> Context:
    """Return a context, or an empty one if there is none."""
    return NOTHING if context is None else context


NOTHING = Context()
"""The context if none is given."""


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


def given_labels(context: Context | None, num_labels: int, call: str) -> Int[Tensor, " B"]:
    """Return the labels of a context, whole numbers from 0 to C - 1."""
    context = given(context)
    if context.labels is None:
        got = "none" if context.label_shares is None else "shares of labels"
        raise ValueError(f"expected labels from 0 to {num_labels - 1}, got {got}; call {call}.")
    return _within(context.labels, num_labels, "labels")


def given_batches(context: Context | None, num_batches: int) -> Int[Tensor, " B"]:
    """Return the batches of a context, whole numbers from 0 to C - 1."""
    batch_label = given(context).batch_label
    if batch_label is None:
        raise ValueError(
            f"expected batch labels from 0 to {num_batches - 1}, got none; call the model with "
            "Context(batch_label=batch_label)."
        )
    return _within(batch_label, num_batches, "batch labels")


def _within(labels: Int[Tensor, " B"], count: int, what: str) -> Int[Tensor, " B"]:
    if not torch.compiler.is_compiling():  # where nothing may depend on values
        unknown = (labels < 0) | (labels >= count)
        if unknown.any():
            raise ValueError(
                f"expected {what} from 0 to {count - 1}, got {int(labels[unknown][0])}."
            )
    return labels


def checked_exposure(exposure: Real[Tensor, " B"]) -> Real[Tensor, " B"]:
    """Return exposures, each of which must be above zero and finite."""
    if not torch.compiler.is_compiling():
        bad = ~((exposure > 0) & exposure.isfinite())
        if bad.any():
            place = int(bad.nonzero()[0])
            raise ValueError(
                f"expected exposures above zero, got {exposure[place]:g} for example {place}; "
                "leave out examples without any counts, or train without an exposure."
            )
    return exposure


def given_shares(
    context: Context | None, num_labels: int, call: str, like: Tensor
) -> Float[Tensor, "B C"]:
    """Return the share of each label in each example, one-hot if labels are given."""
    shares = given(context).label_shares
    if shares is None:
        shares = one_hot(given_labels(context, num_labels, call), num_labels)
    elif shares.shape[-1] != num_labels:
        raise ValueError(
            f"expected label_shares of shape (B, {num_labels}), got {tuple(shares.shape)}."
        )
    return shares.to(like)
