"""The log-density of a mixture of diagonal Gaussians: the one hot loop of the library."""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from priory.distributions.mixture.blocks import DirectBlock, ExpandedBlock, component_blocks
from priory.distributions.mixture.flattening import flattened
from priory.distributions.mixture.small import (
    TinyMixture,
    differentiable_gradients,
    direct_log_prob,
)

TINY = 4096
"""Up to this many numbers B·K·L the direct form is the faster, for it needs no preparation."""

KEPT_MEMORY = 64 * 2**20
"""Bytes that a call may keep for its backward pass; what needs more is computed again."""

NOTHING = -700.0
"""The exponential of less is lost in a sum that holds a one, and takes a processor five times as
long, for it is no normal number."""

_is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # torch < 2.7 has none

Piece = tuple[slice, DirectBlock | ExpandedBlock]


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
        flat = flattened(z, logits, loc, scale)
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
    flat = flattened(z, logits, loc, scale)
    density = blockwise_log_prob(*flat[:4])
    return (density.mT if density.dim() > 1 else density).reshape(flat.shape)


def blockwise_log_prob(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density of mixtures at points of their own, with a gradient.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)`, or `(*P, R, K)` for points that take R sets in turn.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.

    Returns:
        The log-density in nats, `(*P, B)`, in float32 at the least.

    """
    inputs = (z, logits, loc, scale)
    dtype = _result_dtype(*inputs)
    tiny = z.shape[:-1].numel() * loc.shape[-2] * loc.shape[-1] <= TINY and z.device.type != "mps"
    if torch.compiler.is_compiling():
        # The kernel is opaque to the compiler, for its choices depend on the data.
        density = (
            direct_log_prob(*inputs, torch.float64).to(dtype) if tiny else _operator(*inputs)[0]
        )
    elif tiny:
        density = TinyMixture.apply(*inputs, dtype)  # type: ignore[no-untyped-call]
    elif torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
        density = _Function.apply(*inputs)  # type: ignore[no-untyped-call]
    else:
        density = _evaluate(*inputs, keeps=False)[0]
    return cast(Tensor, density)


def blockwise_component_log_prob(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return each component's weighted log-density in nats, `(*P, B, K)`, without a gradient.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)`, or `(*P, R, K)` for points that take R sets in turn.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.

    """
    points, dtype = z.to(_working_dtype(z.device)), _result_dtype(z, logits, loc, scale)
    densities = points.new_empty((*z.shape[:-1], logits.shape[-1]), dtype=dtype)
    for piece, block in component_blocks(points, logits, loc, scale, _tolerance(dtype)):
        densities[..., piece] = block.log_prob()
    return densities


def _evaluate(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, *, keeps: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Piece]]:
    """Return the log-density, and what its gradient needs.

    That is, at each point: the largest of the components' log-densities, the sum of all densities
    relative to it; and, if they are to be kept and fit into the budget, these relative densities
    and the blocks.
    """
    points = z.to(_working_dtype(z.device))
    lowest = torch.finfo(points.dtype).min  # in the place of -inf, whose differences are NaN
    result = _result_dtype(z, logits, loc, scale)
    blocks = component_blocks(points, logits, loc, scale, _tolerance(result))
    kept: list[Piece] = []
    if keeps and _is_kept(z, logits):
        small = True
        densities = points.new_empty((*points.shape[:-1], logits.shape[-1]))
        for piece, block in blocks:
            block.log_prob(out=densities[..., piece])
            small = small and isinstance(block, ExpandedBlock)  # a direct block holds B·K·L
            kept = [*kept, (piece, block)] if small else []
        peak = densities.amax(-1, keepdim=True).clamp_min_(lowest)
        total = densities.sub_(peak).exp_().sum(-1, keepdim=True)
    else:
        densities = points.new_empty(0)
        peak = points.new_full((*points.shape[:-1], 1), lowest)
        total = torch.zeros_like(peak)
        for _, block in blocks:
            joint = block.log_prob()
            higher = joint.amax(-1, keepdim=True).maximum(peak)
            total.mul_(peak.sub_(higher).exp_())
            total.add_(joint.sub_(higher).clamp_min_(NOTHING).exp_().sum(-1, keepdim=True))
            peak = higher
    empty = peak == lowest  # no component has a weight
    density = total.log().add_(peak).masked_fill_(empty, -torch.inf).squeeze(-1).to(result)
    return density, peak, total, densities, kept


def _gradients(
    grad: Tensor,
    inputs: Sequence[Tensor],
    peak: Tensor,
    total: Tensor,
    densities: Tensor,
    kept: Sequence[Piece] = (),
    of_points: bool = True,
    of_parameters: bool = True,
) -> tuple[Tensor | None, ...]:
    """Return the gradients for z and for logits, loc and scale; None where not asked for."""
    z, logits, loc, scale = inputs
    # The sum is below one only where no component has a weight, and there nothing has a gradient.
    factor = grad.to(peak.dtype).unsqueeze(-1) / total.clamp_min(1)
    tolerance = _tolerance(_result_dtype(*inputs))
    grad_z = torch.zeros_like(z, dtype=peak.dtype) if of_points else None
    grads = [torch.empty_like(t) for t in (logits, loc, scale)] if of_parameters else []
    points = z.to(peak.dtype)
    for piece, block in kept or component_blocks(points, logits, loc, scale, tolerance):
        again = not densities.numel()  # they were too many to be kept
        density = block.log_prob().sub_(peak).exp_() if again else densities[..., piece]
        if grad_z is not None:
            grad_z.add_(block.point_gradient(density, factor))
        if grads:
            grads[0][..., piece], grads[1][..., piece, :], grads[2][..., piece, :] = (
                block.parameter_gradients(density, factor)
            )
    return None if grad_z is None else grad_z.to(z.dtype), *(grads or (None, None, None))


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        density, *state, ctx.blocks = _evaluate(*inputs)
        ctx.save_for_backward(*inputs, *state)
        return density

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, peak, total, densities = ctx.saved_tensors
        of_points, *of_parameters = ctx.needs_input_grad
        if torch.is_grad_enabled():  # somebody will differentiate again
            return differentiable_gradients(grad, inputs, peak.dtype)
        state = (peak, total, densities, ctx.blocks)
        return _gradients(grad, inputs, *state, of_points, any(of_parameters))


@torch.library.custom_op("priory::mixture_log_prob", mutates_args=())
def _operator(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _evaluate(z, logits, loc, scale)[:4]


@_operator.register_fake
def _(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    dtype = _working_dtype(z.device)
    lead, components = z.shape[:-1], logits.shape[-1]
    return (
        z.new_empty(lead, dtype=_result_dtype(z, logits, loc, scale)),
        z.new_empty((*lead, 1), dtype=dtype),
        z.new_empty((*lead, 1), dtype=dtype),
        z.new_empty((*lead, components) if _is_kept(z, logits) else 0, dtype=dtype),
    )


@torch.library.custom_op("priory::mixture_gradients", mutates_args=())
def _gradient_operator(
    grad: Tensor,
    z: Tensor,
    logits: Tensor,
    loc: Tensor,
    scale: Tensor,
    peak: Tensor,
    total: Tensor,
    densities: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grads = _gradients(grad, (z, logits, loc, scale), peak, total, densities)
    return cast(
        tuple[Tensor, Tensor, Tensor, Tensor], tuple(g.contiguous() for g in grads if g is not None)
    )


@_gradient_operator.register_fake
def _(grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in inputs[:4])


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs, *output[1:])


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
    return cast(tuple[Tensor, ...], _gradient_operator(grad, *ctx.saved_tensors))


_operator.register_autograd(_backward, setup_context=_setup_context)


def _is_kept(z: Tensor, logits: Tensor) -> bool:
    *mixtures, points, dims = z.shape
    numbers = math.prod(mixtures) * logits.shape[-1] * (points + 8 * dims)
    return numbers * _working_dtype(z.device).itemsize <= KEPT_MEMORY


def _working_dtype(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _result_dtype(*inputs: Tensor) -> torch.dtype:
    double = any(tensor.dtype == torch.float64 for tensor in inputs)
    return torch.float64 if double else torch.float32


def _tolerance(dtype: torch.dtype) -> float:
    return 1e-11 if dtype == torch.float64 else 1e-6
