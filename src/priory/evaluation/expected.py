"""The expected datum: what a decoder makes of a point, without the noise of a draw."""

import torch
from torch import Size, Tensor
from torch.distributions import Categorical, Distribution, Independent

from priory.networks.context import Context
from priory.vae import VAE

DRAWS = 16
AT_ONCE = 1024


def expected(likelihood: Distribution) -> Tensor:
    r"""Return the mean of p(x|z), $E[x|z]$, of the shape of the data.

    A categorical likelihood takes its values as the numbers they are; a distribution that knows no
    mean is replaced by the average of sixteen draws.

    Args:
        likelihood: p(x|z).

    Examples:
        >>> import torch
        >>> from torch.distributions import Categorical, Independent
        >>> from priory.evaluation.expected import expected
        >>> expected(Independent(Categorical(probs=torch.tensor([[0.5, 0.0, 0.5]])), 1))
        tensor([1.])

    """
    base = likelihood
    while isinstance(base, Independent):
        base = base.base_dist
    if isinstance(base, Categorical):
        values = torch.arange(base.probs.shape[-1], dtype=base.probs.dtype)
        return (base.probs * values.to(base.probs.device)).sum(-1)
    try:
        return likelihood.mean
    except NotImplementedError:
        return likelihood.sample(Size((DRAWS,))).mean(0)


@torch.no_grad()
def decode(vae: VAE, z: Tensor, label: int | None = None) -> Tensor:
    """Return the expected datum at each point, `(*points, *data_shape)`.

    Args:
        vae: The model.
        z: Points of the latent space, `(*points, L)`.
        label: The class to decode for, by a decoder that takes one.

    """
    points = z.flatten(0, -2)
    parts = []
    for some in points.split(AT_ONCE):
        known = None if label is None else Context(covariates=torch.full((len(some),), label))
        parts.append(expected(vae.likelihood(some, known)))
    x = torch.cat(parts)
    return x.reshape(*z.shape[:-1], *x.shape[1:])


def label_to_decode(vae: VAE, context: Context | None) -> int | None:
    """Return the most frequent label of a context, for a decoder that takes one; else None."""
    if context is None or context.covariates is None:
        return None
    if not any(getattr(m, "num_labels", None) is not None for m in vae.decoder.modules()):
        return None
    return int(context.covariates.mode().values)
