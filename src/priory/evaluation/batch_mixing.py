"""Are batches separate in the latent space?"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from priory.arrays import Array, as_points, as_tensor
from priory.distributions import widened
from priory.evaluation.measure import Measure
from priory.evaluation.nearest import nearest
from priory.evaluation.study import Study

NEIGHBOURS, STEPS = 90, 50


@torch.no_grad()
def batch_mixing(
    z: Float[Tensor, "N L"] | Array,
    batch_label: Int[Tensor, " N"] | Array,
    neighbours: int = NEIGHBOURS,
) -> float:
    r"""Return how well batches are mixed: 0 if they are separate, 1 if indistinguishable.

    This is iLISI, scaled as in scib-metrics. Let $p_b(n)$ be the share of batch b among the
    neighbours of example n, weighted by $e^{-\beta_n d}$ at distance d, where $\beta_n$ makes their
    perplexity a third of their number:

    $$\frac{\mathrm{median}_n \big(\sum_b p_b(n)^2\big)^{-1} - 1}{B - 1}.$$

    Batches with different sizes, or with different cells, cannot reach 1.

    Args:
        z: Latents, such as the means of q(z|x).
        batch_label: The batch of each, a whole number from zero.
        neighbours: The number of neighbours; fewer if there are few examples.

    Raises:
        ValueError: If there are fewer than two batches, or fewer than four examples.

    Reference:
        Korsunsky et al., *Fast, sensitive and accurate integration of single-cell data with
        Harmony*, Nature Methods 16, 2019; Luecken et al., *Benchmarking atlas-level data
        integration in single-cell genomics*, Nature Methods 19, 2022.

    Examples:
        >>> import torch
        >>> from priory.evaluation.batch_mixing import batch_mixing
        >>> batch = torch.arange(400) % 2
        >>> round(batch_mixing(50.0 * batch[:, None] + torch.randn(400, 2), batch), 3)
        0.0
    """
    points = widened(as_points(z))
    batch_label = as_tensor(batch_label).to(points.device)
    batches = batch_label.unique()
    if len(batches) < 2 or len(points) < 4:
        raise ValueError(
            f"expected at least two batches and four examples, got {len(batches)} and "
            f"{len(points)}."
        )
    k = min(neighbours, len(points) - 1)
    around = nearest(points, points, k, itself=True)
    weights = _weights(widened(around.distance), k / 3)
    of_neighbours = batch_label[around.index]
    shares = torch.stack([(weights * (of_neighbours == b)).sum(1) for b in batches])
    effective = shares.square().sum(0).reciprocal()
    return float((effective.quantile(0.5) - 1) / (len(batches) - 1))


def _weights(distance: Tensor, perplexity: float) -> Tensor:
    """Return weights that decrease with distance, with this perplexity per point, `(N, k)`."""
    low, high = (distance.new_full((len(distance), 1), bound) for bound in (-20.0, 40.0))
    scaled = distance / distance.mean(1, keepdim=True).clamp_min(1e-300)
    scaled = scaled - scaled.amin(1, keepdim=True)
    for _ in range(STEPS):  # bisection steps for the logarithm of the precision
        middle = (low + high) / 2
        weights = (-scaled * middle.exp()).softmax(1)
        entropy = -(weights * weights.clamp_min(1e-300).log()).sum(1, keepdim=True)
        too_flat = entropy > math.log(perplexity)
        low, high = torch.where(too_flat, middle, low), torch.where(too_flat, high, middle)
    return weights


def batch_mixing_of(study: Study) -> float | None:
    """Return how well batches of held-out examples are mixed, if there are several."""
    batch_label = study.annotations.batch_label
    if batch_label is None or not study.is_gaussian or len(study.x) < 4:
        return None
    if len(batch_label.unique()) < 2:
        return None
    return batch_mixing(study.posterior.mean, batch_label)


BATCH_MIXING = Measure(
    "batch_mixing",
    "mixing of batches",
    "effective number of batches around an example (iLISI), scaled: 0 if batches are separate",
    batch_mixing_of,
    better="higher",
    perfect=1.0,
    form=".3f",
    of_counts=True,
)
