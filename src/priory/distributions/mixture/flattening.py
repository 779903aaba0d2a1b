"""Arguments of the kernel with one dimension for mixtures and one for points."""

from typing import NamedTuple

import torch
from torch import Size, Tensor


class Flattened(NamedTuple):
    """Arguments with one dimension for mixtures, where they have several, and one for points."""

    z: Tensor
    logits: Tensor
    loc: Tensor
    scale: Tensor
    shape: Size  # of the log-density


def flattened(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Flattened:
    """Return the arguments of the kernel, which broadcast, as its blocks take them."""
    dims, components = loc.shape[-1], logits.shape[-1]
    own = torch.broadcast_shapes(loc.shape[:-2], scale.shape[:-2])
    shape = torch.broadcast_shapes(z.shape[:-1], logits.shape[:-1], own)
    own = _without_leading_ones(own)
    loc, scale = (
        t.reshape(*_without_leading_ones(t.shape[:-2]), *t.shape[-2:]) for t in (loc, scale)
    )
    # Last come the dimensions of mixtures with components of their own, before them those of
    # mixtures that differ in weights alone, and first those of the points of each.
    lead, mixtures = shape[: len(shape) - len(own)], shape[len(shape) - len(own) :]
    sets = _without_leading_ones(logits.shape[: max(0, logits.dim() - 1 - len(own))])
    logits = logits.reshape(logits.shape[max(0, logits.dim() - 1 - len(sets) - len(own)) :])
    sets = lead[len(lead) - len(sets) :]
    logits = logits.expand(*sets, *mixtures, components)
    z = z.expand(*shape, dims)
    if not mixtures:
        logits = logits.reshape(-1, components) if sets else logits
        return Flattened(z.reshape(-1, dims), logits, loc, scale, shape)
    count = mixtures.numel()
    points = z.reshape(lead.numel(), count, dims).transpose(0, 1)
    if sets:
        logits = logits.reshape(sets.numel(), count, components).transpose(0, 1)
    else:
        logits = logits.reshape(count, components)
    loc, scale = (
        t.expand(*mixtures, *t.shape[-2:]).reshape(count, *t.shape[-2:]) for t in (loc, scale)
    )
    return Flattened(points, logits, loc, scale, shape)


def _without_leading_ones(shape: Size) -> Size:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
