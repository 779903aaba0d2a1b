"""Initial values of pseudo-inputs: data, or representatives of clusters of data."""

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
    """Return initial inputs, `(count, *data_shape)`.

    With `"data"` they are drawn from the data; with `"kmeans"` they are the k-means centres; with
    `"kmedoids"` they are the medoids of the k-means clusters, the members with the smallest sum of
    distances to the others.

    Reference:
        Arthur & Vassilvitskii, *k-means++*, SODA 2007; the medoid of a cluster: Kaufman &
        Rousseeuw, *Finding Groups in Data*, 1990, chapter 2; Park & Jun, *A simple and fast
        algorithm for K-medoids clustering*, 2009, whose update step is used once.
    """
    refuse_too_few(len(x), count)
    seed = int(torch.randint(2**31, ()))
    if init == "data":
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(x), generator=generator)[:count]
        return x[chosen.to(x.device)]
    flat = torch.from_numpy(to_numpy(x.flatten(1)))
    centres, member = kmeans(flat, count, seed)
    if init == "kmeans":
        return centres.view(count, *x.shape[1:])
    medoids = [_medoid(flat, member == k, centre) for k, centre in enumerate(centres)]
    return x[torch.stack(medoids).to(x.device)]


def refuse_too_few(number: int, least: int, whose: str = "data") -> None:
    """Refuse to initialise from fewer data than there are components."""
    if number < least:
        raise ValueError(
            f"expected at least {least} {whose}, one for each component, got {number}; use fewer "
            "components or init='random'."
        )


def kmeans(x: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the k-means centres, with k-means++ seeds, and the cluster of each row."""
    with needs("train"):
        from sklearn.cluster import KMeans
    fitted = KMeans(count, init="k-means++", n_init=1, random_state=seed).fit(to_numpy(x))
    return torch.as_tensor(fitted.cluster_centers_), torch.as_tensor(fitted.labels_).long()


def _medoid(flat: Tensor, inside: Tensor, centre: Tensor) -> Tensor:
    """Return the position of a cluster's medoid; if empty, of the point nearest to its centre."""
    flat, (position,) = flat.to(centre), inside.nonzero(as_tuple=True)
    if len(position) == 0:
        return torch.cdist(centre.unsqueeze(0), flat)[0].argmin()
    members = flat[position]
    sums = [
        torch.cdist(members[rows], members).sum(-1) for rows in blocks(len(members), len(members))
    ]
    return position[torch.cat(sums).argmin()]
