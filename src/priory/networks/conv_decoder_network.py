"""The gated convolutional network from a vector to an image."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from priory.networks.gated_conv import gated_conv, image_channels, image_sizes
from priory.networks.gated_mlp import GatedMLP
from priory.networks.mlp import batch_shape, check_sizes


class ConvDecoderNetwork(nn.Module):
    """Gated dense layers, then gated convolutions that repeatedly double an image.

    Images are doubled by repeating pixels before each convolution. It has no batch statistics: each
    example is normalised separately (GroupNorm with one group).

    Args:
        in_shape: The shape of one input.
        image_shape: The shape of an image, `(H, W)` or `(C, H, W)`, of any height and width.
        pixel_shape: The shape of the output per pixel and channel: `()` for a number, `(V,)` for
            the logits of V values.
        hidden_sizes: The widths of the dense layers before the convolutions.
        channels: The channels of the convolutions, each of which doubles height and width.
        num_labels: The number of labels C, for a decoder of labelled data, with one label per
            input; None takes no labels.

    Raises:
        ValueError: If a size is below one, or `image_shape` is not that of an image.

    Reference:
        Van den Oord et al., *Conditional Image Generation with PixelCNN Decoders*, NeurIPS 2016,
        for gated convolutions; Odena et al., *Deconvolution and Checkerboard Artifacts*, 2016, for
        repeated pixels.

    Examples:
        >>> import torch
        >>> from priory.networks import ConvDecoderNetwork
        >>> network = ConvDecoderNetwork((2,), image_shape=(28, 28), pixel_shape=(17,))
        >>> network(torch.zeros(5, 2)).shape
        torch.Size([5, 28, 28, 17])
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        image_shape: Sequence[int],
        pixel_shape: Sequence[int] = (),
        hidden_sizes: Sequence[int] = (256,),
        channels: Sequence[int] = (64, 32),
        num_labels: int | None = None,
    ) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.image_shape = tuple(image_shape)
        self.pixel_shape = tuple(pixel_shape)
        self.hidden_sizes = tuple(hidden_sizes)
        self.channels = tuple(channels)
        self.num_labels = num_labels
        check_sizes(
            image_shape=self.image_shape, pixel_shape=self.pixel_shape, channels=self.channels
        )
        smallest, *sizes = reversed(image_sizes(self.image_shape, len(self.channels)))
        widths = (*self.channels[:1], *self.channels)
        self.image_channels = image_channels(self.image_shape)
        out_channels = self.image_channels * math.prod(self.pixel_shape)
        self.dense = GatedMLP(self.in_shape, (widths[0], *smallest), self.hidden_sizes, num_labels)
        layers: list[nn.Module] = []
        for size, (before, after) in zip(sizes, itertools.pairwise(widths), strict=True):
            layers += [nn.Upsample(size), gated_conv(before, after)]
        layers.append(nn.Conv2d(widths[-1], out_channels, 3, padding=1))
        self.convolutions = nn.Sequential(*layers)

    def forward(
        self, z: Float[Tensor, "..."], labels: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "..."]:
        """Map `(*batch, *in_shape)` to `(*batch, *image_shape, *pixel_shape)`, like an MLP."""
        batch = batch_shape(z, self.in_shape)
        height, width = self.image_shape[-2:]
        start = self.dense(z, labels)
        out: Tensor = self.convolutions(start.reshape(math.prod(batch), *start.shape[len(batch) :]))
        values = math.prod(self.pixel_shape)
        out = out.reshape(math.prod(batch), self.image_channels, values, height, width)
        return out.movedim(2, -1).reshape(*batch, *self.image_shape, *self.pixel_shape)
