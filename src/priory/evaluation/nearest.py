"""Which points are nearest?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from priory.arrays import Array, as_points
from priory.blockwise import blocks
from priory.distributions import widened
from priory.networks.home import brought

Features = Callable[[Tensor], Tensor]
"""A function from data, `(N, *data_shape)`, to features, `(N, F)`, for computing distances."""


@dataclass(frozen=True)
class Nearest:
    """The k nearest neighbours of each point, nearest first.

    Attributes:
        distance: Their Euclidean distances, `(P, k)`.
        index: Their positions, `(P, k)`.
    """

    distance: Float[Tensor, "P k"]
    index: Int[Tensor, "P k"]


@torch.no_grad()
def nearest(
    points: Float[Tensor, "P *shape"] | Array,
    others: Float[Tensor, "N *shape"] | Array,
    k: int = 1,
    itself: bool = False,
) -> Nearest:
    """Find the k nearest of other points to each point, in blocks and in float64 if available.

    Blocks of the other points are moved to the device of the points.

    Scikit-learn's neighbours, which the core does not need, would leave the device of the points.

    Args:
        points: The points.
        others: The points to search.
        k: The number of neighbours.
        itself: Whether the others are the points themselves, and no point is its own neighbour.

    Raises:
        ValueError: If there are fewer than k others.

    Examples:
        >>> import torch
        >>> from priory.evaluation import nearest
        >>> nearest(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0], [3.0]])).index
        tensor([[1]])
    """
    points, others = as_points(points), as_points(others)
    if not 1 <= k <= len(others) - itself:
        raise ValueError(f"expected at least {k + itself} points to search, got {len(others)}.")
    points, others = points.flatten(1), others.flatten(1)
    neighbours = []
    for rows in blocks(len(points), most=1024):  # for pairs with this many others
        block = widened(points[rows])
        distance = block.new_empty(len(block), 0)
        index = distance.long()
        for columns in blocks(len(others), most=1024):
            near = torch.cdist(block, others[columns].to(block))
            if itself and columns == rows:
                near.fill_diagonal_(torch.inf)
            at = torch.arange(columns.start, columns.stop, device=near.device)
            distance = torch.cat([distance, near], 1)
            index = torch.cat([index, at.expand(len(block), -1)], 1)
            distance, chosen = distance.topk(min(k, distance.shape[1]), largest=False)
            index = index.gather(1, chosen)
        neighbours.append((distance, index))
    return Nearest(*(torch.cat(part) for part in zip(*neighbours, strict=True)))


def features_of(
    data: Tensor | Array, features: Features | None, like: Tensor | None = None
) -> Float[Tensor, "N F"]:
    """Return features of data, by default their values, in a dtype precise enough for distances.

    They are on the device of the data, or of the other features that they should be `like`.
    """
    values = as_points(data) if features is None else features(brought(data, features))
    return widened((values if like is None else values.to(like.device)).flatten(1))
