"""The log-density of a mixture of diagonal Gaussians: the only hot loop of the library."""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.overrides import handle_torch_function, has_torch_function

from priory.distributions.mixture.blocks import (
    DirectBlock,
    ExpandedBlock,
    component_blocks,
    direct_form,
    direct_form_of_block,
    flattened,
    is_small,
    working_dtype,
)
from priory.distributions.mixture.operators import opaque
from priory.distributions.torch_distributions import is_exporting

KEPT_MEMORY = 64 * 2**20
"""The number of bytes that a call may keep for its backward pass; beyond it, values are recomputed.
"""

NOTHING = -700.0
"""Exponentials of smaller numbers are lost in a sum that contains a one, and take a CPU five times
as long, because they are not normal numbers.
"""

Piece = tuple[slice, DirectBlock | ExpandedBlock]

# Torch has no public function for this; without these, torch refuses a transform with a reason.
_transforms_are_active = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_is_batched = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda tensor: False)


def component_log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch K"]:
    r"""Return $\log w_k + \log \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ for each k.

    Without gradients this is computed in blocks, as in `log_prob`; with gradients, in the direct
    form.
    """
    inputs = (z, logits, loc, scale)
    if _is_subclassed(*inputs):
        return handle_torch_function(component_log_prob, inputs, *inputs)
    if torch.compiler.is_compiling() or _is_transformed(*inputs) or _needs_gradient(*inputs):
        return direct_form(*inputs)[0]
    z, logits, loc, scale, shape = flattened(*inputs)
    points, result = z.to(working_dtype(z.device)), _result_dtype(*inputs)
    densities = points.new_empty((*points.shape[:-1], logits.shape[-1]), dtype=result)
    for piece, block in component_blocks(points, logits, loc, scale, _tolerance(result)):
        densities[..., piece] = block.log_prob()
    densities = densities.transpose(0, 1) if densities.dim() > 2 else densities
    return densities.reshape(*shape, logits.shape[-1])


def log_prob(
    z: Float[Tensor, "*#batch L"],
    logits: Float[Tensor, "*#batch K"],
    loc: Float[Tensor, "*#batch K L"],
    scale: Float[Tensor, "*#batch K L"],
) -> Float[Tensor, "*batch"]:
    r"""Return $\log \sum_k w_k\, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$ in nats.

    It is at least in float32. The logits are normalised; one of -inf is a weight of zero.

    The sum over dimensions is taken inside each component, before the log-sum-exp over components.
    Everything is computed in float64 and in blocks of components, so that memory grows neither with
    B·K·L nor, beyond a budget, with B·K. Points whose mixtures have the same components but
    different weights share the work: `loc` and `scale` then lack those dimensions. Second
    derivatives, forward mode and the transforms of `torch.func` use the direct form, and its
    memory.
    """
    inputs = (z, logits, loc, scale)
    if _is_subclassed(*inputs):
        return handle_torch_function(log_prob, inputs, *inputs)
    if is_exporting():  # into operations that every runtime knows
        return torch.logsumexp(direct_form(*inputs)[0], dim=-1)
    if _is_transformed(*inputs):
        return direct_form(*_widened(*inputs))[0].logsumexp(-1).to(_result_dtype(*inputs))
    if logits.dim() == 1 and loc.dim() == scale.dim() == 2:
        if z.dim() == 2:
            return _density(*inputs)
        return _density(z.reshape(-1, z.shape[-1]), logits, loc, scale).reshape(z.shape[:-1])
    *flat, shape = flattened(*inputs)
    density = _density(*flat)
    return (density.mT if density.dim() > 1 else density).reshape(shape)


def _is_subclassed(*inputs: Tensor) -> bool:
    """Return whether one of these needs to see every operation."""
    return not torch.compiler.is_compiling() and has_torch_function(inputs)


def _is_transformed(*inputs: Tensor) -> bool:
    """Return whether a transform of torch.func is active, or one of these is a batch or dual."""
    return _transforms_are_active() or (
        not torch.compiler.is_compiling()
        and any(unpack_dual(t).tangent is not None or _is_batched(t) for t in inputs)
    )


def _needs_gradient(*inputs: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)


def _density(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log-density, `(*P, B)`, of what a block takes, with a gradient."""
    inputs = (z, logits, loc, scale)
    small, compiles = is_small(z, loc), torch.compiler.is_compiling()
    if small and compiles:
        return _direct_density(*inputs)
    if compiles:  # the kernel is opaque to it, because its choices depend on the data
        return _operator(*inputs)[0]
    if not _needs_gradient(*inputs):
        return _direct_density(*inputs) if small else _evaluate(*inputs, keeps=False)[0]
    function = _SmallFunction if small else _Function
    return cast(Tensor, function.apply(*inputs))  # type: ignore[no-untyped-call]


def _direct_density(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the same in the direct form, differentiable any number of times."""
    joint, _ = direct_form_of_block(*_widened(z, logits, loc, scale))
    return joint.logsumexp(-1).to(_result_dtype(z, logits, loc, scale))


def _widened(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
    """Return the arguments in dtypes such that everything is computed in the working dtype."""
    dtype = working_dtype(z.device)
    return z.to(dtype), logits, loc, scale.to(dtype)


class _SmallFunction(torch.autograd.Function):
    """The log-density and its gradient with as few operations as possible."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        z, *parameters = inputs
        ctx.block = DirectBlock(z.to(working_dtype(z.device)), *parameters)
        joint = ctx.block.log_prob()
        total = joint.logsumexp(-1, keepdim=True)
        # If no component has a weight, none is responsible, and nothing has a gradient.
        ctx.responsibilities = joint.sub_(total.clamp_min(torch.finfo(total.dtype).min)).exp_()
        ctx.save_for_backward(*inputs)
        density: Tensor = total.squeeze(-1).to(_result_dtype(*inputs))
        return density

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        if torch.is_grad_enabled() or _is_transformed(grad):
            return _differentiable_gradients(grad, inputs)
        of_points, *of_parameters = ctx.needs_input_grad
        factor = grad.unsqueeze(-1)
        grads = ctx.block.gradients(ctx.responsibilities, factor, of_points, any(of_parameters))
        return tuple(
            None if g is None else g.to(t.dtype) for g, t in zip(grads, inputs, strict=True)
        )


def _evaluate(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, *, keeps: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Piece]]:
    """Return the log-density, and the tensors that its gradient needs.

    These are, for each point: the largest of the components' log-densities, and the sum of all
    densities relative to it; and, if they should be kept and fit into the budget, these relative
    densities and the blocks.
    """
    points = z.to(working_dtype(z.device))
    lowest = torch.finfo(points.dtype).min  # instead of -inf, whose differences are NaN
    result = _result_dtype(z, logits, loc, scale)
    blocks = component_blocks(points, logits, loc, scale, _tolerance(result))
    kept: list[Piece] = []
    if keeps and _is_kept(z, logits):
        every, components = True, logits.shape[-1]
        for piece, block in blocks:
            if piece == slice(0, components):
                densities = block.log_prob()
            else:
                if piece.start == 0:
                    densities = points.new_empty((*points.shape[:-1], components))
                block.log_prob(out=densities[..., piece])
            every = every and isinstance(block, ExpandedBlock)  # a direct one has B·K·L numbers
            kept = [*kept, (piece, block)] if every else []
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
        total.masked_fill_(peak == lowest, 0)  # no component has a weight
    density = total.log().add_(peak).squeeze(-1).to(result)
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
    """Return the gradients for z and for logits, loc and scale; None if not requested."""
    z, logits, loc, scale = inputs
    # The sum is below one only if no component has a weight, and then nothing has a gradient.
    factor = grad.to(peak.dtype).unsqueeze(-1) / total.clamp_min(1)
    grad_z: Tensor | None = None
    grads: list[Tensor | None] = [None, None, None]
    again = not densities.numel()  # there were too many to keep
    for piece, block in kept or component_blocks(
        z.to(peak.dtype), logits, loc, scale, _tolerance(_result_dtype(*inputs))
    ):
        density = block.log_prob().sub_(peak).exp_() if again else densities[..., piece]
        of_z, *of_block = block.gradients(density, factor, of_points, of_parameters)
        grad_z = of_z if grad_z is None or of_z is None else grad_z.add_(of_z)
        parts = zip(grads, of_block, inputs[1:], (-1, -2, -2), strict=True)
        grads = [_placed(whole, part, piece, like, dim) for whole, part, like, dim in parts]
    return None if grad_z is None else grad_z.to(z.dtype), *grads


def _placed(
    whole: Tensor | None, part: Tensor | None, piece: slice, like: Tensor, dim: int
) -> Tensor | None:
    """Return a tensor with the shape and dtype of another, with a part filled in."""
    if part is None or part.shape == like.shape:
        return None if part is None else part.to(like.dtype)
    whole = torch.empty_like(like) if whole is None else whole
    whole.narrow(dim, piece.start, part.shape[dim]).copy_(part)
    return whole


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        density, *state, ctx.blocks = _evaluate(*inputs)
        ctx.save_for_backward(*inputs, *state)
        return density

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, peak, total, densities = ctx.saved_tensors
        if torch.is_grad_enabled() or _is_transformed(grad):
            return _differentiable_gradients(grad, inputs)
        of_points, *of_parameters = ctx.needs_input_grad
        state = (peak, total, densities, ctx.blocks)
        return _gradients(grad, inputs, *state, of_points, any(of_parameters))


def _differentiable_gradients(grad: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Return gradients that can be differentiated again, or whose `grad` is a batch of them."""
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    with torch.enable_grad():
        density = _direct_density(*inputs)
    again = torch.is_grad_enabled()
    grads = iter(torch.autograd.grad(density, wanted, grad, create_graph=again))
    return tuple(next(grads) if tensor.requires_grad else None for tensor in inputs)


def _is_kept(z: Tensor, logits: Tensor) -> bool:
    *mixtures, points, dims = z.shape
    numbers = math.prod(mixtures) * logits.shape[-1] * (points + 8 * dims)
    return numbers * working_dtype(z.device).itemsize <= KEPT_MEMORY


def _result_dtype(*inputs: Tensor) -> torch.dtype:
    double = any(tensor.dtype == torch.float64 for tensor in inputs)
    return torch.float64 if double else torch.float32


def _tolerance(dtype: torch.dtype) -> float:
    return 1e-11 if dtype == torch.float64 else 1e-6


_operator = opaque(_evaluate, _gradients, _result_dtype, _is_kept)
