"""Where the components of a mixture start from data."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from priory.distributions import loc_and_scale
from priory.extras import needs
from priory.networks.context import Context, Encoder


def draw_posteriors(encoder: Encoder, x: Tensor, context: Context | None = None) -> Tensor:
    """Return one sample of q(z|x) for each datum, `(N, L)`."""
    loc, scale = loc_and_scale(encoder(x) if context is None else encoder(x, context))
    return torch.normal(loc, scale).cpu()


def mixture_of_clusters(z: Tensor, num_components: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the k-means clusters of points, `(N, L)`, from k-means++ seeds.

    Returns:
        The logarithms of their shares, `(K,)`, their means and the logarithms of their standard
        deviations, `(K, L)`.

    Raises:
        ValueError: If there are fewer points than clusters.

    """
    if len(z) < num_components:
        raise ValueError(
            f"expected at least {num_components} data, one for each component, "
            f"got {len(z)}; ask for fewer components or use init='random'."
        )
    with needs("train"):
        from sklearn.cluster import KMeans
    seed = int(torch.randint(2**31, ()))
    kmeans = KMeans(num_components, init="k-means++", n_init=1, random_state=seed)
    member = torch.as_tensor(kmeans.fit(z.numpy()).labels_, dtype=torch.long)
    share = one_hot(member, num_components).to(z)
    count = share.sum(0).clamp(min=1)
    centre = share.T @ z / count.unsqueeze(-1)
    spread = (share.T @ (z - centre[member]).square() / count.unsqueeze(-1)).sqrt()
    floor = 0.1 * z.std(0, correction=0) + torch.finfo(z.dtype).tiny  # a lone datum's cluster
    return (count / count.sum()).log(), centre, spread.maximum(floor).log()
