"""Which data do points of the latent space represent?"""

from collections.abc import Callable

import torch
from torch import Size, Tensor
from torch.distributions import Categorical, Distribution, Independent

from priory.arrays import Array
from priory.blockwise import blocks
from priory.distributions.unflattened import UnflattenedDistribution
from priory.networks.calls import num_batches_of, num_labels_of
from priory.networks.context import Context, given
from priory.networks.home import taken
from priory.vae import VAE

DRAWS = 16
REDRAWS = 20
Outside = Callable[[Tensor], Tensor]
"""Which values of data, `(B, *data_shape)`, the data could not hold, of the same shape."""


def expected(likelihood: Distribution) -> Tensor:
    r"""Return the mean of p(x|z), $E[x|z]$, in the shape of the data.

    For a categorical likelihood, the values are treated as numbers; for a distribution without a
    mean, the average of sixteen samples is returned.

    Args:
        likelihood: p(x|z).

    Examples:
        >>> import torch
        >>> from torch.distributions import Categorical, Independent
        >>> from priory.evaluation.decoding import expected
        >>> expected(Independent(Categorical(probs=torch.tensor([[0.5, 0.0, 0.5]])), 1))
        tensor([1.])
    """
    if isinstance(likelihood, UnflattenedDistribution):
        return likelihood.of_each(expected(likelihood.flat))
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


def drawn_within(likelihood: Distribution, outside: Outside | None) -> Tensor:
    """Draw from p(x|z), and draw values that the data could not hold again, twenty times at most.

    The values of an example are expected to be independent given z.

    Args:
        likelihood: p(x|z).
        outside: Which values those are; None for no such values.
    """
    x = likelihood.sample()
    for _ in range(0 if outside is None else REDRAWS):
        assert outside is not None
        if not (wrong := outside(x)).any():
            break
        x = torch.where(wrong, likelihood.sample(), x)
    return x


@torch.no_grad()
def decode(
    vae: VAE,
    z: Tensor | Array,
    context: Context | None = None,
    mean: bool = False,
    outside: Outside | None = None,
) -> Tensor:
    r"""Draw an example from p(x|z) for each z, or take its mean, in blocks.

    Args:
        vae: The model.
        z: Points of the latent space, `(M, L)`.
        context: The context, for a decoder that takes labels or batches. Missing exposures are
            drawn from those of the training data, or their median is used for a mean.
        mean: Whether to return $E[x \mid z]$, like `expected`, instead of a sample.
        outside: Which values the data cannot have; those are drawn again, as in `drawn_within`.

    Returns:
        The data, `(M, *data_shape)`.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, CategoricalDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import decode
        >>> encoder = GaussianEncoder(MLP((9,), (4,)))
        >>> vae = VAE(encoder, CategoricalDecoder(MLP((2,), (9, 3))), StandardPrior(latent_dim=2))
        >>> decode(vae, torch.zeros(5, 2), mean=True).shape
        torch.Size([5, 9])
    """
    z, parts = taken(z, vae.decoder), []
    for rows in blocks(len(z), most=1024):  # a decoder expands a row more than an encoder
        row_context = given(context)[rows]
        if not mean:
            row_context = vae.with_drawn_exposure(len(z[rows]), row_context)
        likelihood = vae.likelihood(z[rows], row_context)
        parts.append(expected(likelihood) if mean else drawn_within(likelihood, outside))
    return torch.cat(parts)


def decode_expected(vae: VAE, z: Tensor | Array, label: int | None = None) -> Tensor:
    """Return the expected example at each point, `(*points, *data_shape)`.

    A decoder that takes batches gets the first one, and a decoder that takes exposures gets the
    median.

    Args:
        vae: The model.
        z: Points of the latent space, `(*points, L)`.
        label: The label to decode with, if the decoder takes one.
    """
    z = taken(z, vae.decoder)
    points = z.flatten(0, -2)
    labels = None if label is None else torch.full((len(points),), label)
    batches = num_batches_of(vae.decoder)
    batch_label = None if batches is None else torch.zeros(len(points), dtype=torch.long)
    x = decode(vae, points, Context(labels=labels, batch_label=batch_label), mean=True)
    return x.reshape(*z.shape[:-1], *x.shape[1:])


def label_to_decode(vae: VAE, context: Context | None) -> int | None:
    """Return the most frequent label of a context if the decoder takes one, otherwise None."""
    labels = given(context).labels
    if labels is None or num_labels_of(vae.decoder) is None:
        return None
    return int(labels.mode().values)
