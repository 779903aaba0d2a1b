"""Where pseudo-inputs start: at data, or at what stands for clusters of data."""

from typing import Literal, get_args

import torch
from torch import Tensor

from priory.arrays import to_numpy
from priory.blockwise import blocks
from priory.extras import needs

Start = Literal["data", "kmeans", "kmedoids"]

STARTS: tuple[Start, ...] = get_args(Start)


@torch.no_grad()
def starting_inputs(x: Tensor, count: int, init: Start) -> Tensor:
    """Return inputs to start from, `(count, *data_shape)`.

    Args:
        x: The training data, `(N, *data_shape)`.
        count: How many.
        init: `"data"` draws them from the data; `"kmeans"` takes the centres of k-means (from
            k-means++ seeds), and `"kmedoids"` of each of its clusters the medoid, the member with
            the smallest sum of distances to the others.

    Raises:
        ValueError: If there are fewer data than asked for.

    Reference:
        Arthur & Vassilvitskii, *k-means++*, SODA 2007; the medoid of a cluster: Kaufman &
        Rousseeuw, *Finding Groups in Data*, 1990, chapter 2; Park & Jun, *A simple and fast
        algorithm for K-medoids clustering*, 2009, whose update step this is, taken once.

    """
    if len(x) < count:
        raise ValueError(
            f"expected at least {count} data, one for each pseudo-input, got {len(x)}; ask for "
            "fewer components or use init='random'."
        )
    seed = int(torch.randint(2**31, ()))
    if init == "data":
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(x), generator=generator)[:count]
        return x[chosen.to(x.device)]
    with needs("train"):
        from sklearn.cluster import KMeans
    flat = to_numpy(x.flatten(1))
    kmeans = KMeans(count, init="k-means++", n_init=1, random_state=seed).fit(flat)
    centres: Tensor = torch.as_tensor(kmeans.cluster_centers_)
    if init == "kmeans":
        return centres.view(count, *x.shape[1:])
    member = torch.as_tensor(kmeans.labels_)
    medoids = [
        _medoid(torch.from_numpy(flat), member == k, centre) for k, centre in enumerate(centres)
    ]
    return x[torch.stack(medoids).to(x.device)]


def _medoid(flat: Tensor, inside: Tensor, centre: Tensor) -> Tensor:
    """Return the position of a cluster's medoid, or of the datum next to an empty one's centre."""
    flat, (position,) = flat.to(centre), inside.nonzero(as_tuple=True)
    if len(position) == 0:
        return torch.cdist(centre.unsqueeze(0), flat)[0].argmin()
    members = flat[position]
    sums = [
        torch.cdist(members[rows], members).sum(-1) for rows in blocks(len(members), len(members))
    ]
    return position[torch.cat(sums).argmin()]
