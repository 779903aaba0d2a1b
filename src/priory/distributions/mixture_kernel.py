"""The log-density of a mixture of diagonal Gaussians: the one hot loop of the library."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

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
    single = logits.dim() == 1 and loc.dim() == scale.dim() == 2
    if single and not differentiable and not torch.compiler.is_compiling():
        points = z.reshape(-1, z.shape[-1])
        densities = blockwise_component_log_prob(points, logits, loc, scale)
        return densities.reshape(*z.shape[:-1], logits.shape[-1])
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
    B·K·L nor, beyond a budget, with B·K. Second derivatives take the direct form, and its memory.

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
    return _batched_log_prob(z, logits, loc, scale)


def _batched_log_prob(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    batch = torch.broadcast_shapes(logits.shape[:-1], loc.shape[:-2], scale.shape[:-2])
    shape = torch.broadcast_shapes(z.shape[:-1], batch)
    batch = shape[len(shape) - len(batch) :]  # each of these mixtures has points of its own
    points = z.expand(*shape, -1).reshape(-1, batch.numel(), z.shape[-1]).transpose(0, 1)
    logits = logits.expand(*batch, -1).reshape(len(points), -1)
    loc, scale = (t.expand(*batch, -1, -1).reshape(-1, *t.shape[-2:]) for t in (loc, scale))
    return blockwise_log_prob(points, logits, loc, scale).mT.reshape(shape)
