"""Which batch and which term of the loss is no longer finite."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from priory.networks.context import Context
from priory.objectives import elbo
from priory.vae import VAE

ADVICE = "lower the learning rate, clip the gradient or warm up beta."


@contextmanager
def explained(
    vae: VAE, x: Tensor | None, context: Context | None, epoch: int, where: str
) -> Iterator[None]:
    """Let an error that comes of numbers that are not finite say where and from which term.

    Raises:
        FloatingPointError: If the block raises one, or fails because of what is not finite.
    """
    try:
        yield
    except (FloatingPointError, ValueError, RuntimeError) as error:
        # Torch refuses NaN with the others; one of anything would fail again with these data.
        culprits = _culprits(vae, None if isinstance(error, RuntimeError) else x, context)
        ours = isinstance(error, FloatingPointError)
        if not ours and not culprits:
            raise
        raise FloatingPointError(
            f"expected a finite loss, got {error if ours else 'nan'} in epoch {epoch}, {where}, "
            f"from the {' and the '.join(culprits) or 'gradient of the step before'}; {ADVICE}"
        ) from error


@torch.no_grad()
def _culprits(vae: VAE, x: Tensor | None, context: Context | None) -> list[str]:
    """Return what is not finite: weights, or else terms of the loss."""
    broken = [name for name, value in vae.named_parameters() if not value.isfinite().all()]
    if broken:
        return [f"weights {broken[0]} after the step before"]
    if x is None:
        return []
    q = p = None
    try:
        q = vae.posterior(x, context)
        p = vae.prior_distribution(context)
        vae.likelihood(q.sample(), context)
    except ValueError as error:
        term = "posterior q(z|x)" if q is None else "prior p(z)" if p is None else "p(x|z)"
        return [term] if "constraint" in str(error) else []
    terms = elbo(vae, x, context=context)
    both = (("reconstruction", terms.reconstruction), ("rate", terms.rate))
    return [name for name, term in both if not term.isfinite().all()]
