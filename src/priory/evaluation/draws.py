"""Samples from the prior of a model, from all of it or from single components."""

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.blockwise import blocks
from priory.distributions import GaussianMixture
from priory.evaluation.top_level import from_top, top_level
from priory.networks.context import Context
from priory.vae import VAE


def draw(vae: VAE, labels: Tensor | None, count: int) -> Tensor:
    """Draw z from the prior, `(M, L)`."""
    if labels is None:
        return vae.prior_distribution().sample(torch.Size((count,)))
    parts = []
    for rows in blocks(len(labels), most=1024):  # each label may have its own mixture
        p = vae.prior_distribution(Context(labels=labels[rows]))
        parts.append(p.sample() if p.batch_shape else p.sample(labels[rows].shape))
    return torch.cat(parts)


def components_to_draw(
    vae: VAE, code: int | None, component: int | None, each: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the components to draw from, the heaviest first, and their weights."""
    if component is None and not each:
        return None, None
    weights = _mixture(vae, code).logits.exp().flatten()
    if component is None:
        order = weights.argsort(descending=True, stable=True)
        return order, weights[order]
    if not 0 <= component < len(weights):
        raise ValueError(f"expected a component from 0 to {len(weights) - 1}, got {component}.")
    return torch.tensor([component]), weights[[component]]


def draw_from(vae: VAE, code: int | None, order: Tensor, n: int) -> Tensor:
    """Draw n latents from each of some components of the (top) prior, `(C n, L)`."""
    p = _mixture(vae, code)
    loc, scale = (t.flatten(0, -2)[order].repeat_interleave(n, 0) for t in (p.loc, p.scale))
    return from_top(vae, torch.addcmul(loc, torch.randn_like(loc), scale))


def _mixture(vae: VAE, code: int | None) -> GaussianMixture:
    """Return the prior, for one label if it depends on labels, with K components."""
    context = Context(labels=None if code is None else torch.tensor([code]))
    if code is None and getattr(vae.prior, "needs_labels", False):
        raise ValueError(
            "expected a label, because each label has its own components, got none; name it "
            "with --label."
        )
    with torch.no_grad():
        p: Distribution = top_level(vae).prior_distribution(context)
    if not isinstance(p, GaussianMixture):
        name = type(top_level(vae).prior).__name__
        raise ValueError(
            f"expected a prior that is a mixture of components, got {name}; sample from the whole "
            "prior instead."
        )
    return p
