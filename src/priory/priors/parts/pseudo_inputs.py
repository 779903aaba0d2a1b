"""What priors share that send inputs of their own through the encoder."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from priory.distributions import loc_and_scale
from priory.networks.context import Context, Encoder, call, given
from priory.networks.data_range import DataRange


def check_data(x: Tensor, data_shape: Sequence[int], data_range: DataRange) -> None:
    """Refuse data that pseudo-inputs could not be.

    Args:
        x: The data, `(N, *data_shape)`.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take.

    Raises:
        ValueError: If the data are of another shape or beyond the range.

    """
    dtype = x.dtype if x.is_floating_point() else None
    low, high = (torch.as_tensor(bound, dtype=dtype, device=x.device) for bound in data_range)
    if x.shape[1:] == tuple(data_shape) and ((low <= x) & (x <= high)).all():
        return
    raise ValueError(
        f"expected data of shape (N, {', '.join(map(str, data_shape))}) within [{low.min():g}, "
        f"{high.max():g}]{' and the bounds of each dimension' if low.dim() or high.dim() else ''}, "
        f"got {tuple(x.shape)} within [{x.min():g}, {x.max():g}]."
    )


def fold(t: Tensor, low: Tensor, width: Tensor) -> Tensor:
    """Fold the real line into a range, by a triangle wave of period two.

    It rises from low to low + width as t goes from 0 to 1 and falls again as t goes to 2, so that
    its slope is plus or minus the width everywhere, at the border too. Each dimension may have a
    range of its own.

    Examples:
        >>> import torch
        >>> from priory.priors.parts.pseudo_inputs import fold
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
        return loc_and_scale(call(encoder, u, given(context)))


def _warn_of_batch_statistics(encoder: Encoder) -> None:
    if isinstance(encoder, nn.Module) and any(isinstance(m, _BatchNorm) for m in encoder.modules()):
        warnings.warn(
            "the encoder holds batch statistics (BatchNorm): in training, pseudo-inputs and data "
            "will shift each other's normalisation; LayerNorm or GroupNorm avoids it.",
            stacklevel=4,
        )
