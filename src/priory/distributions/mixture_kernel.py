"""The log-density of a mixture of diagonal Gaussians: the one hot loop of the library."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Size, Tensor

from priory.distributions.blockwise import blockwise_component_log_prob, blockwise_log_prob

_is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # torch < 2.7 has none


def component_log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch K"]:
    r"""Return $\log w_k + \log \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ for each k.

    Without a gradient the work is done in blocks, as for `log_prob`; with one, in the direct form.

    Args:
        z: Points.
        logits: Logarithms of the mixing weights, normalised.
        loc: Means.
        scale: Standard deviations.

    Returns:
        The weighted log-densities of the components, in nats.

    """
    differentiable = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (z, logits, loc, scale)
    )
    if not differentiable and not torch.compiler.is_compiling():
        flat = _flattened(z, logits, loc, scale)
        densities = blockwise_component_log_prob(*flat[:4])
        densities = densities.transpose(0, 1) if densities.dim() > 2 else densities
        return densities.reshape(*flat.shape, logits.shape[-1])
    standardised = (z.unsqueeze(-2) - loc) / scale
    log_volume = scale.log().sum(-1) + 0.5 * math.log(2 * math.pi) * loc.shape[-1]
    return logits - log_volume - 0.5 * standardised.square().sum(-1)


def log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch"]:
    r"""Return $\log \sum_k w_k\, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ in nats.

    The sum over dimensions is taken inside each component, before the log-sum-exp over components.
    The work is done in float64 and in blocks of components, so that memory grows neither with
    B·K·L nor, beyond a budget, with B·K. Points whose mixtures have the same components, each with
    weights of its own, share the work: `loc` and `scale` then lack those dimensions. Second
    derivatives take the direct form, and its memory.

    Args:
        z: Points.
        logits: Logarithms of the mixing weights, normalised; `-inf` is a weight of zero.
        loc: Means.
        scale: Standard deviations.

    Returns:
        The log-density of the mixture at each point, in nats; in float32 at the least.

    """
    if _is_exporting():  # into operations that every runtime knows
        return torch.logsumexp(component_log_prob(z, logits, loc, scale), dim=-1)
    if logits.dim() == 1 and loc.dim() == scale.dim() == 2:
        if z.dim() == 2:
            return blockwise_log_prob(z, logits, loc, scale)
        points = z.reshape(-1, z.shape[-1])
        return blockwise_log_prob(points, logits, loc, scale).reshape(z.shape[:-1])
    flat = _flattened(z, logits, loc, scale)
    density = blockwise_log_prob(*flat[:4])
    return (density.mT if density.dim() > 1 else density).reshape(flat.shape)


class _Flattened(NamedTuple):
    """Arguments with one dimension for mixtures, where they have several, and one for points."""

    z: Tensor
    logits: Tensor
    loc: Tensor
    scale: Tensor
    shape: Size  # of the log-density


def _flattened(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> _Flattened:
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
        return _Flattened(z.reshape(-1, dims), logits, loc, scale, shape)
    count = mixtures.numel()
    points = z.reshape(lead.numel(), count, dims).transpose(0, 1)
    if sets:
        logits = logits.reshape(sets.numel(), count, components).transpose(0, 1)
    else:
        logits = logits.reshape(count, components)
    loc, scale = (
        t.expand(*mixtures, *t.shape[-2:]).reshape(count, *t.shape[-2:]) for t in (loc, scale)
    )
    return _Flattened(points, logits, loc, scale, shape)


def _without_leading_ones(shape: Size) -> Size:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
