"""What priors share that send inputs of their own through the encoder."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from priory.distributions import loc_and_scale
from priory.networks.context import Context, Encoder


def checked_range(data_range: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest value a datum can take.

    Raises:
        ValueError: If the range is empty.

    """
    low, high = map(float, data_range)
    if not low < high:
        raise ValueError(f"expected data_range=(low, high) with low < high, got {low}, {high}.")
    return low, high


def fold(t: Tensor, low: Tensor, width: Tensor) -> Tensor:
    """Fold the real line into a range, by a triangle wave of period two.

    It rises from low to low + width as t goes from 0 to 1 and falls again as t goes to 2, so that
    its slope is plus or minus the width everywhere, at the border too.

    Examples:
        >>> import torch
        >>> from priory.priors.pseudo_inputs import fold
        >>> fold(torch.tensor([-0.25, 0.0, 0.25, 1.0, 1.5]), torch.tensor(0.0), torch.tensor(8.0))
        tensor([2., 0., 2., 8., 4.])

    """
    t = torch.remainder(t, 2)
    return low + width * torch.where(t <= 1, t, 2 - t)


class PosteriorsAt:
    """The means and scales of q(z|u) at a prior's own inputs u.

    Args:
        owner: The name of the prior, for messages.

    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.encoder_was_seen = False

    def __call__(
        self, encoder: Encoder | None, u: Tensor, context: Context | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode u, `(K, *data_shape)`, into means and scales, `(K, L)` each.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            u: The inputs.
            context: What the encoder is to know of them.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.

        """
        if not callable(encoder):
            got = "None" if encoder is None else type(encoder).__name__
            raise TypeError(
                f"expected an encoder, got {got}; call the {self.owner} as prior(encoder)."
            )
        if not self.encoder_was_seen:
            self.encoder_was_seen = True
            _warn_of_batch_statistics(encoder)
        return loc_and_scale(encoder(u) if context is None else encoder(u, context))


def _warn_of_batch_statistics(encoder: Encoder) -> None:
    if isinstance(encoder, nn.Module) and any(isinstance(m, _BatchNorm) for m in encoder.modules()):
        warnings.warn(
            "the encoder holds batch statistics (BatchNorm): in training, pseudo-inputs and data "
            "will shift each other's normalisation; LayerNorm or GroupNorm avoids it.",
            stacklevel=4,
        )
