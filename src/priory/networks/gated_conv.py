"""What the convolutional encoder and decoder networks share."""

from collections.abc import Sequence

from torch import nn


def gated_conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Return a gated 3×3 convolution, normalised separately for each example.

    GroupNorm with one group takes its statistics over the channels and pixels of one example, so
    that an example does not depend on others in its batch.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, 2 * out_channels, 3, stride, padding=1),
        nn.GroupNorm(1, 2 * out_channels),
        nn.GLU(dim=1),
    )


def image_sizes(image_shape: Sequence[int], halvings: int) -> list[tuple[int, int]]:
    """Return the height and width of an image `(H, W)` or `(C, H, W)`, repeatedly halved.

    Examples:
        >>> from priory.networks.gated_conv import image_sizes
        >>> image_sizes((1, 28, 9), 2)
        [(28, 9), (14, 5), (7, 3)]
    """
    if len(image_shape) not in (2, 3):
        raise ValueError(
            "expected images of shape (H, W) or (C, H, W) for a convolutional network, got "
            f"{tuple(image_shape)}; use fully connected layers for other data."
        )
    if halvings < 1:
        raise ValueError("expected the channels of at least one convolution, got none.")
    sizes = [(image_shape[-2], image_shape[-1])]
    for _ in range(halvings):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def image_channels(image_shape: Sequence[int]) -> int:
    """Return the number of channels of an image `(C, H, W)`; one for `(H, W)`."""
    return image_shape[0] if len(image_shape) == 3 else 1
