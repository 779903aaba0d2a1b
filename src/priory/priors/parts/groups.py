"""Groups of data that share components and have weights of their own."""

import torch
from torch import Tensor

from priory.networks.context import Context


def log_weights_of(logits: Tensor, context: Context | None) -> Tensor:
    """Return the log-weights of the group of each datum, `(B, K)`.

    Args:
        logits: The log-weights of each group, `(G, K)`; those without groups, `(K,)`, come back.
        context: What is known of the data; its covariates are their groups, `(B,)`.

    Raises:
        ValueError: If there are groups and none are given, they are not one number a datum, or a
            number is not whole or no group.

    """
    if logits.dim() == 1:
        return logits
    num_groups = len(logits)
    if context is None or context.covariates is None:
        raise ValueError(
            f"expected the group of each datum, from 0 to {num_groups - 1}, got no covariates; "
            "a prior with groups is called as prior(encoder, Context(covariates=group))."
        )
    group = context.covariates
    if group.dim() != 1:
        raise ValueError(
            f"expected one group a datum as covariates, of shape (B,), got {tuple(group.shape)}."
        )
    if not torch.compiler.is_compiling():  # the compiler knows no values
        wrong = (group < 0) | (group >= num_groups) | (group != group.long())
        if wrong.any():
            raise ValueError(
                f"expected groups that are whole numbers from 0 to {num_groups - 1}, got "
                f"{group[wrong][0].item():g}."
            )
    return logits[group.to(logits.device, torch.long)]
