"""The memory that a sample takes."""

import torch
from torch import Tensor, nn

from priory.networks.context import Context, given
from priory.networks.home import brought
from priory.networks.modes import all_behind
from priory.vae import VAE

# Not `priory.blockwise`: these sizes depend on what a decoder computes from z.
SAMPLES_AT_ONCE = 2048
"""On a CPU, whose cache then holds the output of a decoder for small images."""

ON_A_DEVICE = 4
"""The factor for other devices."""

MEMORY = 256 * 2**20
"""The maximum size, in bytes, of the largest tensor of a block."""


def samples_at_once(vae: VAE, x: Tensor, context: Context | None = None) -> int:
    """Return how many samples of z to decode at a time, at least one.

    Args:
        vae: The model.
        x: Data, `(N, *data_shape)`, at least one.
        context: The context of these data.
    """
    x = brought(x[:1], vae.encoder)
    size = x.dtype.itemsize * numbers_per_sample(vae, x, context)
    most = SAMPLES_AT_ONCE if x.device.type == "cpu" else ON_A_DEVICE * SAMPLES_AT_ONCE
    return max(1, min(most, MEMORY // size))


@torch.no_grad()
def numbers_per_sample(vae: VAE, x: Tensor, context: Context | None = None) -> int:
    """Return the number of elements of the largest tensor when one z is decoded.

    One example is encoded and decoded, and the outputs of the decoder's modules are counted. No
    noise is drawn.

    Args:
        vae: The model.
        x: Data, `(N, *data_shape)`, at least one.
        context: The context of these data.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation.cost import numbers_per_sample
        >>> encoder = GaussianEncoder(MLP((9,), (4,)))
        >>> decoder = BernoulliDecoder(MLP((2,), (9,), hidden_sizes=(80,)))
        >>> numbers_per_sample(VAE(encoder, decoder, StandardPrior(2)), torch.zeros(5, 9))
        80
    """
    largest = x[0].numel()

    def count(module: nn.Module, given: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.numel())

    context_of_one = vae.with_exposure(x[:1], given(context)[:1])
    hooks = [module.register_forward_hook(count) for module in all_behind(vae.decoder)]
    try:
        vae.likelihood(vae.posterior(x[:1], context_of_one).mean, context_of_one)
    finally:
        for hook in hooks:
            hook.remove()
    return largest
