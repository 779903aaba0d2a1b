"""The context of a batch: annotations in addition to its values, and which modules receive them."""

import warnings
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, get_args

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor
from torch.nn.functional import one_hot

from priory.arrays import as_tensor


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
        """Return the context of some of the examples, whose positions may be on any device."""

        def some(value: Tensor) -> Tensor:
            return value[rows if isinstance(rows, slice) else rows.to(value.device)]

        return type(self)(**{name: some(value) for name, value in self._given().items()})

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
