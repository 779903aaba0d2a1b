"""The mixture kernel itself: log-density and gradient, block by block, in float64."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from priory.distributions.component_block import MEMORY_BUDGET, DirectBlock, component_blocks

Tensors4 = tuple[Tensor, Tensor, Tensor, Tensor]


def blockwise_log_prob(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density of mixtures at points of their own, with a gradient.

    Args:
        z: Points, `(*P, B, L)`, where P is absent for one mixture.
        logits: Log-weights, `(*P, K)`.
        loc: Means, `(*P, K, L)`.
        scale: Standard deviations, `(*P, K, L)`.

    Returns:
        The log-density in nats, `(*P, B)`, in float32 at the least.

    """
    # The compiler cannot look into a choice that depends on data; to it the kernel is opaque.
    kernel = _operator if torch.compiler.is_compiling() else _Function.apply
    density: Tensor = kernel(z, logits, loc, scale)[0]
    return density


def _forward(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensors4:
    """Return the log-density, and what its gradient needs.

    That is, at each point: the largest of the components' log-densities, the sum of all densities
    relative to it, and these relative densities themselves if they fit into the budget.
    """
    points = z.to(_working_dtype(z.device))
    lowest = torch.finfo(points.dtype).min  # in the place of -inf, whose differences are NaN
    result = _result_dtype(z, logits, loc, scale)
    blocks = component_blocks(points, logits, loc, scale, _tolerance(result))
    if _keeps_densities(points, logits):
        parts = [block.log_prob() for _, block in blocks]
        joint = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        peak = joint.amax(-1, keepdim=True).clamp_min_(lowest)
        densities = joint.sub_(peak).exp_()
        total = densities.sum(-1, keepdim=True)
    else:
        densities = points.new_empty(0)
        peak = points.new_full((*points.shape[:-1], 1), lowest)
        total = torch.zeros_like(peak)
        for _, block in blocks:
            joint = block.log_prob()
            higher = joint.amax(-1, keepdim=True).maximum(peak)
            total.mul_(peak.sub_(higher).exp_())
            total.add_(joint.sub_(higher).exp_().sum(-1, keepdim=True))
            peak = higher
    return (peak + total.log()).squeeze(-1).to(result), peak, total, densities


def _gradients(
    grad: Tensor,
    z: Tensor,
    logits: Tensor,
    loc: Tensor,
    scale: Tensor,
    peak: Tensor,
    total: Tensor,
    densities: Tensor,
    of_points: bool,
    of_parameters: bool,
) -> Tensors4:
    """Return the gradients for z and for logits, loc and scale; empty where not asked for."""
    points = z.to(peak.dtype)
    grads = [
        torch.zeros_like(points) if of_points else z.new_empty(0),
        *(torch.empty_like(t) if of_parameters else t.new_empty(0) for t in (logits, loc, scale)),
    ]
    grad_points, grad_logits, grad_loc, grad_scale = grads
    # The sum is below one only where no component has a weight, and there nothing has a gradient.
    factor = grad.to(points.dtype).unsqueeze(-1) / total.clamp_min(1)
    tolerance = _tolerance(_result_dtype(z, logits, loc, scale))
    for piece, block in component_blocks(points, logits, loc, scale, tolerance):
        if densities.numel():
            density = densities[..., piece]
        else:
            density = block.log_prob().sub_(peak).exp_()
        if of_points:
            grad_points.add_(block.point_gradient(density, factor))
        if of_parameters:
            grad_logits[..., piece], grad_loc[..., piece, :], grad_scale[..., piece, :] = (
                block.parameter_gradients(density, factor)
            )
    return grad_points.to(z.dtype), grad_logits, grad_loc, grad_scale


def _setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(*inputs, *output[1:])


def _backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 4
    needed = ctx.needs_input_grad
    if torch.compiler.is_compiling():
        grads = _gradient_operator(grad, *ctx.saved_tensors, needed[0], any(needed[1:]))
    elif torch.is_grad_enabled():  # somebody will differentiate again
        grads = _differentiable_gradients(grad, ctx.saved_tensors[:4])
    else:
        grads = _gradients(grad, *ctx.saved_tensors, needed[0], any(needed[1:]))
    return tuple(g if wanted else None for g, wanted in zip(grads, needed, strict=True))


def _differentiable_gradients(grad: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    block = DirectBlock(*(tensor.to(_working_dtype(grad.device)) for tensor in inputs))
    density = block.log_prob().logsumexp(-1).to(grad.dtype)
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    found = iter(torch.autograd.grad(density, wanted, grad, create_graph=True))
    return tuple(next(found) if tensor.requires_grad else None for tensor in inputs)


class _Function(torch.autograd.Function):
    forward = staticmethod(_forward)
    setup_context = staticmethod(_setup_context)
    backward = staticmethod(_backward)


_operator = torch.library.custom_op("priory::mixture_log_prob", _forward, mutates_args=())
_operator.register_autograd(_backward, setup_context=_setup_context)
_gradient_operator = torch.library.custom_op(
    "priory::mixture_gradients", _gradients, mutates_args=()
)


@_operator.register_fake
def _(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensors4:
    *lead, components = *z.shape[:-1], logits.shape[-1]
    dtype = _working_dtype(z.device)
    peak, total = (z.new_empty((*lead, 1), dtype=dtype) for _ in range(2))
    kept = (*lead, components) if _keeps_densities(z, logits) else (0,)
    density = z.new_empty(lead, dtype=_result_dtype(z, logits, loc, scale))
    return density, peak, total, z.new_empty(kept, dtype=dtype)


@_gradient_operator.register_fake
def _(
    grad: Tensor,
    z: Tensor,
    logits: Tensor,
    loc: Tensor,
    scale: Tensor,
    peak: Tensor,
    total: Tensor,
    densities: Tensor,
    of_points: bool,
    of_parameters: bool,
) -> Tensors4:
    wanted = (of_points, of_parameters, of_parameters, of_parameters)
    inputs = (z, logits, loc, scale)
    return tuple(
        t.new_empty(t.shape if w else (0,)) for t, w in zip(inputs, wanted, strict=True)
    )


def _keeps_densities(z: Tensor, logits: Tensor) -> bool:
    numbers = z.shape[:-1].numel() * logits.shape[-1]
    return numbers * _working_dtype(z.device).itemsize <= MEMORY_BUDGET


def _working_dtype(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _result_dtype(*inputs: Tensor) -> torch.dtype:
    dtypes = (tensor.dtype for tensor in inputs)
    return functools.reduce(torch.promote_types, dtypes, torch.float32)


def _tolerance(dtype: torch.dtype) -> float:
    return 1e-11 if dtype == torch.float64 else 1e-6
