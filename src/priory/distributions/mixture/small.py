"""The direct form in as few operations as it takes, for problems where their number is the cost."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from priory.distributions.mixture.log_weights import (
    HALF_LOG_TWO_PI,
    are_per_point,
    in_turn,
    weighted,
)


def direct_log_prob(
    z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, dtype: torch.dtype
) -> Tensor:
    """Return the log-density, worked out in a type, and differentiable any number of times."""
    z, scale = z.to(dtype), scale.to(dtype)
    square = ((z.unsqueeze(-2) - loc.unsqueeze(-3)) / scale.unsqueeze(-3)).square().sum(-1)
    log_peak = weighted(-scale.log().sum(-1), logits, scale, z.shape[-2])
    return (log_peak - 0.5 * square).logsumexp(-1) - HALF_LOG_TWO_PI * z.shape[-1]


class TinyMixture(torch.autograd.Function):
    """The log-density in float64 of `(*P, B, L)` points, with its gradient written out."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, logits: Tensor, loc: Tensor, scale: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Return the log-density in the type asked for."""
        ctx.wide = wide = scale.double()
        standardised = z.double().unsqueeze(-2) - loc.unsqueeze(-3)
        standardised /= wide.unsqueeze(-3)  # (*P, B, K, L)
        log_peak = weighted(wide.log().sum(-1).neg_(), logits, wide, z.shape[-2])
        joint = torch.sub(log_peak, standardised.square().sum(-1), alpha=0.5)
        total = joint.logsumexp(-1, keepdim=True)
        ctx.responsibilities = joint.sub_(total).exp_()
        ctx.standardised = standardised
        ctx.save_for_backward(z, logits, loc, scale)
        return (total.squeeze(-1) - HALF_LOG_TWO_PI * z.shape[-1]).to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients for z, logits, loc and scale."""
        z, logits, loc, scale = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody will differentiate again
            return *differentiable_gradients(grad, ctx.saved_tensors, torch.float64), None
        wide = ctx.wide
        weight = ctx.responsibilities * grad.unsqueeze(-1)
        mass = weight.sum(-2)
        pull = weight.unsqueeze(-1) * ctx.standardised
        pull /= wide.unsqueeze(-3)
        stretch = (pull * ctx.standardised).sum(-3) - mass.unsqueeze(-1) / wide
        own = in_turn(weight, logits).sum(-3) if are_per_point(logits, scale) else mass
        return (
            pull.sum(-2).neg_().to(z.dtype),
            own.to(logits.dtype),
            pull.sum(-3).to(loc.dtype),
            stretch.to(scale.dtype),
            None,
        )


def differentiable_gradients(
    grad: Tensor, inputs: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Tensor | None, ...]:
    """Return gradients for the inputs that can be differentiated again, by the direct form."""
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    z, logits, loc, scale = inputs
    density = direct_log_prob(z, logits, loc, scale, dtype).to(grad.dtype)
    found = iter(torch.autograd.grad(density, wanted, grad, create_graph=True))
    return tuple(next(found) if tensor.requires_grad else None for tensor in inputs)
