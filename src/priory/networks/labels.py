"""Labels as what is known of data."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from priory.networks.context import Context


def given_labels(context: Context | None, num_labels: int, call: str) -> Tensor:
    """Return the labels of a context: whole numbers `(B,)`, or shares of labels `(B, C)`.

    Args:
        context: What is known of the data.
        num_labels: The number of labels C.
        call: How to call what needs the labels, for messages.

    Raises:
        ValueError: If there are no labels, or one is not among 0, ..., C - 1.

    """
    labels = None if context is None else context.covariates
    if labels is None:
        raise ValueError(f"expected labels from 0 to {num_labels - 1}, got none; call {call}.")
    if labels.is_floating_point():
        if labels.dim() < 1 or labels.shape[-1] != num_labels:
            raise ValueError(
                f"expected labels as integers, or as shares of shape (B, {num_labels}), "
                f"got {labels.dtype} of shape {tuple(labels.shape)}."
            )
        return labels
    if labels.dtype == torch.bool or labels.is_complex():
        raise ValueError(f"expected labels as integers, got {labels.dtype}; convert them.")
    if torch.compiler.is_compiling():  # where nothing may depend on values
        return labels
    unknown = (labels < 0) | (labels >= num_labels)
    if unknown.any():
        raise ValueError(
            f"expected labels from 0 to {num_labels - 1}, got {int(labels[unknown][0])}."
        )
    return labels


def given_integers(context: Context | None, num_labels: int, call: str) -> Tensor:
    """Return the labels of a context as whole numbers, `(B,)`; else as `given_labels`.

    Raises:
        ValueError: If there are no labels, or one is not a whole number among 0, ..., C - 1.

    """
    labels = None if context is None else context.covariates
    if labels is not None and labels.is_floating_point():
        raise ValueError(f"expected labels as integers, got {labels.dtype}; convert them.")
    return given_labels(context, num_labels, call)


def shares(labels: Tensor, num_labels: int, like: Tensor) -> Float[Tensor, "*B C"]:
    """Return labels as shares that sum to one: one-hot where they are whole numbers."""
    if not labels.is_floating_point():
        labels = one_hot(labels.long(), num_labels)
    return labels.to(like)


def call_network(network: nn.Module, x: Tensor, context: Context | None) -> Tensor:
    """Call a network, with the labels of the context where it takes labels.

    Under autocast the network runs in half precision, and what it returns is in single: a density
    sums too many terms for half of it.
    """
    num_labels: int | None = getattr(network, "num_labels", None)
    if num_labels is None:
        out: Tensor = network(x)
    else:
        labels = given_labels(context, num_labels, "the model with Context(covariates=labels)")
        out = network(x, shares(labels, num_labels, x))
    return out.float() if torch.is_autocast_enabled(out.device.type) else out
