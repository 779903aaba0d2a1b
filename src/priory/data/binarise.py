"""Grey images as zeros and ones."""

import torch
from jaxtyping import Float
from torch import Tensor

from priory.blockwise import blocks


def grey_range(x: Tensor) -> tuple[float, float]:
    """Return the values of black and white, from the dtype of grey images or from their values.

    Bytes range from 0 to 255 if one is above 127, and numbers between 0 and 1 from 0 to 1. Other
    values range from zero, or from the smallest if that is negative, to the largest.

    Args:
        x: Images, `(N, *shape)`, on disk or not.

    Raises:
        ValueError: If all values are equal.

    Examples:
        >>> import torch
        >>> from priory.data import grey_range
        >>> grey_range(torch.tensor([[0, 254], [3, 7]], dtype=torch.uint8))
        (0.0, 255.0)
        >>> grey_range(torch.tensor([[0.0, 16.0]]))
        (0.0, 16.0)
    """
    low, high = observed_range(x)
    if low == high:
        raise ValueError(f"expected images with black and white, got {low:g} in every pixel.")
    if x.dtype == torch.uint8 and high > 127:
        return 0.0, 255.0
    if x.is_floating_point() and low >= 0 and high <= 1:
        return 0.0, 1.0
    return min(low, 0.0), high


def binarise(
    x: Float[Tensor, "B *shape"], generator: torch.Generator | None = None
) -> Float[Tensor, "B *shape"]:
    """Draw zeros and ones, where each grey value is the probability of a one, P(1) = x.

    Args:
        x: Images in [0, 1], `(B, *shape)`.
        generator: The random generator; by default torch's.

    Returns:
        Zeros and ones, in the dtype of the images.

    Reference:
        Salakhutdinov & Murray, *On the Quantitative Analysis of Deep Belief Networks*, 2008; drawn
        anew in each epoch: Burda, Grosse & Salakhutdinov, *Importance Weighted Autoencoders*, 2016.

    Examples:
        >>> import torch
        >>> from priory.data import binarise
        >>> binarise(torch.tensor([[0.0, 1.0]]))
        tensor([[0., 1.]])
    """
    device = x.device if generator is None else generator.device
    noise = torch.rand(x.shape, generator=generator, device=device)  # in [0, 1): never below 0
    return (noise.to(x.device) < x).to(x.dtype)


def observed_range(x: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest value, read block by block."""
    ends = [x[rows].aminmax() for rows in blocks(len(x), x[:1].numel())]
    return min(float(end.min) for end in ends), max(float(end.max) for end in ends)
