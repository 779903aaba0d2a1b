"""The gated convolutional network from an image to a vector."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.gated_conv import gated_conv, image_channels, image_sizes
from priory.networks.gated_mlp import GatedMLP
from priory.networks.mlp import batch_shape, check_sizes


class ConvEncoderNetwork(nn.Module):
    """Gated convolutions that repeatedly halve an image, then gated dense layers.

    It has no batch statistics: each example is normalised separately (GroupNorm with one group), so
    pseudo-inputs and data can share it.

    Args:
        in_shape: The shape of an image, `(H, W)` or `(C, H, W)`, of any height and width.
        out_shape: The shape of one output.
        hidden_sizes: The widths of the dense layers after the convolutions.
        channels: The channels of the convolutions, each of which halves height and width.
        num_labels: The number of labels C, for an encoder of labelled data, with one label per
            image passed to the dense layers; None takes no labels.

    Raises:
        ValueError: If a size is below one, or `in_shape` is not that of an image.

    Reference:
        Van den Oord et al., *Conditional Image Generation with PixelCNN Decoders*, NeurIPS 2016,
        for gated convolutions; Wu & He, *Group Normalization*, ECCV 2018.

    Examples:
        >>> import torch
        >>> from priory.networks import ConvEncoderNetwork
        >>> network = ConvEncoderNetwork(in_shape=(3, 28, 28), out_shape=(4,))
        >>> network(torch.zeros(5, 3, 28, 28)).shape
        torch.Size([5, 4])
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        hidden_sizes: Sequence[int] = (256,),
        channels: Sequence[int] = (32, 64),
        num_labels: int | None = None,
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.hidden_sizes = tuple(hidden_sizes)
        self.channels = tuple(channels)
        self.num_labels = num_labels
        check_sizes(in_shape=self.in_shape, channels=self.channels)
        smallest = image_sizes(self.in_shape, len(self.channels))[-1]
        widths = (image_channels(self.in_shape), *self.channels)
        self.convolutions = nn.Sequential(
            *(gated_conv(before, after, stride=2) for before, after in itertools.pairwise(widths))
        )
        self.dense = GatedMLP(
            (widths[-1], *smallest), self.out_shape, self.hidden_sizes, num_labels
        )

    def forward(
        self, x: Float[Tensor, "..."], labels: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *out_shape)`, like an MLP."""
        batch = batch_shape(x, self.in_shape)
        height, width = self.in_shape[-2:]
        images = x.reshape(math.prod(batch), image_channels(self.in_shape), height, width)
        features = self.convolutions(images)
        out: Tensor = self.dense(features.reshape(*batch, *features.shape[1:]), labels)
        return out
