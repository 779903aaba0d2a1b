"""The kernel for the compiler: two opaque operators."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from priory.distributions.mixture.blocks import working_dtype

Four = tuple[Tensor, Tensor, Tensor, Tensor]


def opaque(
    evaluate: Callable[..., Any],
    gradients: Callable[..., Any],
    result_dtype: Callable[..., torch.dtype],
    is_kept: Callable[..., bool],
) -> Callable[..., Four]:
    """Return an operator that evaluates the kernel and whose gradient is an operator too.

    Evaluating it returns the log-density and three tensors for computing the gradients, the last of
    which is empty unless `is_kept`.
    """

    @torch.library.custom_op("priory::mixture_log_prob", mutates_args=())
    def operator(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Four:
        return cast(Four, evaluate(z, logits, loc, scale)[:4])

    @operator.register_fake
    def _(z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor) -> Four:
        dtype = working_dtype(z.device)
        lead, components = z.shape[:-1], logits.shape[-1]
        return (
            z.new_empty(lead, dtype=result_dtype(z, logits, loc, scale)),
            z.new_empty((*lead, 1), dtype=dtype),
            z.new_empty((*lead, 1), dtype=dtype),
            z.new_empty((*lead, components) if is_kept(z, logits) else 0, dtype=dtype),
        )

    @torch.library.custom_op("priory::mixture_gradients", mutates_args=())
    def gradient_operator(
        grad: Tensor,
        z: Tensor,
        logits: Tensor,
        loc: Tensor,
        scale: Tensor,
        peak: Tensor,
        total: Tensor,
        densities: Tensor,
    ) -> Four:
        grads = gradients(grad, (z, logits, loc, scale), peak, total, densities)
        return cast(Four, tuple(g.clone(memory_format=torch.contiguous_format) for g in grads))

    @gradient_operator.register_fake
    def _(grad: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.new_empty(tensor.shape) for tensor in inputs[:4])

    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, *output[1:])

    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> Four:
        return cast(Four, gradient_operator(grad, *ctx.saved_tensors))

    operator.register_autograd(backward, setup_context=setup_context)
    return operator
