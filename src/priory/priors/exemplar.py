"""The exemplar prior."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.networks.context import Context, Encoder
from priory.priors.base import Prior
from priory.priors.parts.pseudo_inputs import PosteriorsAt

ENCODED_AT_ONCE = 4096


class ExemplarPrior(Prior):
    r"""A mixture of the encoder's posteriors at the training data themselves, the exemplars.

    $$p(z) = \frac{1}{N} \sum_{n=1}^N \mathcal{N}(z \mid \mu(x_n), \sigma^2 I)$$

    In training, a datum that were a component of its own prior would only be copied. A call with
    `Context(index=...)` therefore leaves the own component of each datum out, and draws the subset
    of the step; a call without it takes all exemplars, which is the prior to evaluate and to sample
    from. `priory.fit` and `priory compare` give the context in training.

    The exemplars arrive with `fit_data`. They move with the prior but are not saved with it: a
    loaded prior has to be given its data again.

    Args:
        scale: `"shared"` learns one standard deviation for all components and dimensions;
            `"posterior"` takes that of q(z|x) at each exemplar.
        subset_size: How many exemplars, drawn anew for each step, a step in training uses; None
            takes all of them.

    Raises:
        ValueError: If `scale` is unknown, or `subset_size` is below two.

    Reference:
        Norouzi, Fleet & Norouzi, *Exemplar VAE*, NeurIPS 2020.

    Examples:
        >>> import torch
        >>> from priory import MLP, Context, ExemplarPrior, GaussianEncoder
        >>> encoder, prior = GaussianEncoder(MLP((9,), (2 * 2,))), ExemplarPrior()
        >>> prior.fit_data(torch.rand(50, 9), encoder)
        >>> prior(encoder).sample((100,)).shape
        torch.Size([100, 2])
        >>> prior(encoder, Context(index=torch.tensor([0, 7, 8]))).batch_shape
        torch.Size([3])

    """

    exemplars: Tensor
    log_scale: Tensor

    def __init__(
        self, scale: Literal["shared", "posterior"] = "shared", subset_size: int | None = None
    ) -> None:
        super().__init__()
        if scale not in ("shared", "posterior"):
            raise ValueError(f"expected scale='shared' or 'posterior', got {scale!r}.")
        if subset_size is not None and subset_size < 2:
            raise ValueError(
                f"expected subsets of at least two exemplars, got subset_size={subset_size}."
            )
        self.scale = scale
        self.subset_size = subset_size
        self.register_buffer("exemplars", torch.zeros(0), persistent=False)
        if scale == "shared":
            self.log_scale = nn.Parameter(torch.zeros(1))
        self._posteriors_at = PosteriorsAt("ExemplarPrior")

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture:
        """Encode the exemplars once and return their mixture.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            context: Where it has an index, the mixture has batch shape `(B,)`: one for each datum,
                over the same components, with its own left out.

        Raises:
            RuntimeError: If `fit_data` was not called.
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.

        """
        if len(self.exemplars) == 0:
            raise RuntimeError(
                "expected the ExemplarPrior to have its training data, got a call before "
                "fit_data(x, encoder); a loaded prior has to be given them again."
            )
        if context is None or context.index is None:
            loc, scale = self._components(encoder, self.exemplars)
            return GaussianMixture(loc.new_zeros(len(loc)), loc, scale)
        chosen = self._subset()
        loc, scale = self._components(encoder, self.exemplars[chosen])
        own = context.index.to(chosen.device).unsqueeze(-1) == chosen  # (B, K)
        return GaussianMixture(loc.new_zeros(own.shape).masked_fill(own, -math.inf), loc, scale)

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Take the training data as exemplars.

        Args:
            x: The training data, `(N, *data_shape)`, in the order that a context's index counts.
            encoder: Not used.
            context: Not used.

        Raises:
            ValueError: If there are fewer than two data.

        """
        if len(x) < 2:
            raise ValueError(f"expected at least two training data, got {len(x)}.")
        self.exemplars = x.detach().to(self.exemplars, copy=True)

    def _subset(self) -> Tensor:
        """Return the positions of the exemplars of a step."""
        count, device = len(self.exemplars), self.exemplars.device
        if self.subset_size is None or self.subset_size >= count:
            return torch.arange(count, device=device)
        return torch.randperm(count, device=device)[: self.subset_size]

    def _components(self, encoder: Encoder | None, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means and the scales of the components at some exemplars."""
        parts = [self._posteriors_at(encoder, part) for part in x.split(ENCODED_AT_ONCE)]
        loc, scale = (torch.cat(part) for part in zip(*parts, strict=True))
        return loc, self.log_scale.exp().expand_as(loc) if self.scale == "shared" else scale
