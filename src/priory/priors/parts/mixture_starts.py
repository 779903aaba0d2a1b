"""Where a mixture of Gaussians may start: at what scikit-learn finds in samples."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn

from priory.blockwise import blocks
from priory.extras import needs
from priory.networks.context import Context, Encoder, call, given

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
    parts = [call(encoder, x[rows], context[rows]).sample() for rows in blocks(len(x))]
    return torch.cat(parts)


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
    z = z.cpu()
    kmeans = KMeans(num_components, init="k-means++", n_init=1, random_state=seed)
    member = torch.as_tensor(kmeans.fit(z.numpy()).labels_, dtype=torch.long)
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
    em = GaussianMixture(num_components, covariance_type="diag", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from there
        em.fit(z.cpu().double().numpy())
    weights, loc, variance = (
        torch.as_tensor(t).to(z.cpu()) for t in (em.weights_, em.means_, em.covariances_)
    )
    return weights, loc, variance.sqrt().maximum(_floor(z.cpu(), 0.01))


def _floor(z: Tensor, share: float) -> Tensor:
    # No component may collapse onto a lone sample.
    return share * z.std(0, correction=0) + torch.finfo(z.dtype).tiny
