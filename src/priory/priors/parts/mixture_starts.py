"""Where a mixture of Gaussians may start: at what scikit-learn finds in samples."""

import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from priory.arrays import to_numpy
from priory.extras import needs
from priory.networks.context import Context, Encoder, call, given

ENCODED_AT_ONCE = 4096

Start = tuple[Float[Tensor, " K"], Float[Tensor, "K L"], Float[Tensor, "K L"]]
"""The weights, the means and the standard deviations of a mixture."""


def draw_posteriors(
    encoder: Encoder, x: Tensor, context: Context | None = None
) -> Float[Tensor, "N L"]:
    """Return one sample of q(z|x) for each datum.

    Args:
        encoder: The module that returns q(z|x).
        x: Data, `(N, *data_shape)`.
        context: What is known of these data.

    """
    context = given(context)
    blocks = [slice(start, start + ENCODED_AT_ONCE) for start in range(0, len(x), ENCODED_AT_ONCE)]
    return torch.cat([call(encoder, x[block], context[block]).sample() for block in blocks])


def kmeans_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Return the shares, means and standard deviations of the k-means clusters of samples.

    The clusters start from k-means++ seeds.

    Args:
        z: Samples.
        num_components: The number of clusters K.
        seed: The seed of k-means++.

    Raises:
        ImportError: If scikit-learn is not installed.

    """
    with needs("train"):
        from sklearn.cluster import KMeans
    z = torch.from_numpy(to_numpy(z))
    kmeans = KMeans(num_components, init="k-means++", n_init=1, random_state=seed)
    member = torch.as_tensor(kmeans.fit(to_numpy(z)).labels_, dtype=torch.long)
    one_hot = nn.functional.one_hot(member, num_components).to(z)
    count = one_hot.sum(0).clamp(min=1)
    centre = one_hot.T @ z / count.unsqueeze(-1)
    spread = (one_hot.T @ (z - centre[member]).square() / count.unsqueeze(-1)).sqrt()
    return count / count.sum(), centre, spread.maximum(_floor(z, 0.1))


def em_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Return the mixture of diagonal Gaussians that expectation-maximisation fits to samples.

    It starts from k-means clusters itself.

    Args:
        z: Samples.
        num_components: The number of components K.
        seed: The seed of its start.

    Raises:
        ImportError: If scikit-learn is not installed.

    Reference:
        Dempster, Laird & Rubin, *Maximum likelihood from incomplete data via the EM algorithm*,
        1977.

    """
    with needs("train"):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    samples = to_numpy(z)
    em = GaussianMixture(num_components, covariance_type="diag", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from there
        em.fit(samples.astype(np.float64))
    weights, loc, variance = (
        torch.from_numpy(t.astype(samples.dtype)) for t in (em.weights_, em.means_, em.covariances_)
    )
    return weights, loc, variance.sqrt().maximum(_floor(torch.from_numpy(samples), 0.01))


def _floor(z: Tensor, share: float) -> Tensor:
    # No component may collapse onto a lone sample.
    return share * z.std(0, correction=0) + torch.finfo(z.dtype).tiny
