"""The ladder: levels whose posterior and prior share their downward networks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from priory.distributions import loc_and_scale
from priory.distributions.joint import JointPosterior
from priory.distributions.torch_distributions import Independent
from priory.networks.context import Context
from priory.networks.data_range import DataRange
from priory.networks.gaussian_encoder import TransformName, gaussian
from priory.networks.head import outputs_of
from priory.networks.level_encoder import (
    GivenAbove,
    LevelEncoder,
    checked_levels,
    one_for_each,
)


class LadderEncoder(LevelEncoder):
    r"""Several levels: features of x go up, and the networks of the prior go down.

    Features go up from x, $d_1 = f_1(x), d_{l+1} = f_{l+1}(d_l)$, and each predicts its level,
    $\mathcal{N}(\hat\mu_l, \hat\sigma_l^2)$. On the way down this is multiplied by the prediction
    from the level above, $p(z_l | z_{l+1}) = \mathcal{N}(\mu_l, \sigma_l^2)$:

    $$q(z_l \mid x, z_{l+1}) = \mathcal{N}\Big(
    \frac{\hat\mu_l \hat\sigma_l^{-2} + \mu_l \sigma_l^{-2}}
    {\hat\sigma_l^{-2} + \sigma_l^{-2}},\; \frac{1}{\hat\sigma_l^{-2} + \sigma_l^{-2}}\Big), \qquad
    q(z_T|x) = \mathcal{N}(\hat\mu_T, \hat\sigma_T^2).$$

    A [`HierarchicalPrior`][priory.priors.HierarchicalPrior] with `conditionals="encoder"` has the
    same $p(z_l | z_{l+1})$.

    Args:
        latent_dims: The number of dimensions of each level, starting next to the data.
        bottom_up: For each level, the network that computes its features from those below, the
            first from x mapped to [-1, 1].
        heads: For each level, the network from its features to `(B, 2 L_l)`: the means and the
            logarithms of the standard deviations.
        top_down: For each level but the top, from the first up, a module from the level above to
            $p(z_l | z_{l+1})$, such as a [`LevelGaussian`][priory.networks.LevelGaussian].
        data_range: As in a [`GaussianEncoder`][priory.networks.GaussianEncoder].
        transform: As in a `GaussianEncoder`.

    Raises:
        ValueError: If there are fewer than two levels, or not one module for each.

    Reference:
        Sønderby et al., *Ladder Variational Autoencoders*, NeurIPS 2016, equations 9 to 13.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, LadderEncoder, LevelGaussian
        >>> encoder = LadderEncoder(
        ...     (3, 2),
        ...     bottom_up=[MLP((9,), (8,)), MLP((8,), (8,))],
        ...     heads=[MLP((8,), (2 * 3,)), MLP((8,), (2 * 2,))],
        ...     top_down=[LevelGaussian(MLP((2,), (2 * 3,)))],
        ... )
        >>> encoder(torch.zeros(4, 9)).event_shape
        torch.Size([5])
    """

    def __init__(
        self,
        latent_dims: Sequence[int],
        bottom_up: Sequence[nn.Module],
        heads: Sequence[nn.Module],
        top_down: Sequence[nn.Module],
        data_range: DataRange = (0.0, 1.0),
        transform: TransformName = "linear",
    ) -> None:
        super().__init__()
        self.latent_dims = checked_levels(latent_dims)
        one_for_each(self.latent_dims, bottom_up=bottom_up, heads=heads)
        one_for_each(self.latent_dims[:-1], top_down=top_down)
        self.bottom_up, self.heads = nn.ModuleList(bottom_up), nn.ModuleList(heads)
        self.top_down = nn.ModuleList(top_down)
        self.set_range(data_range, transform)

    @property
    def generative(self) -> tuple[GivenAbove, ...]:
        """The levels below the top of p(z), which the prior shares."""
        pairs = zip(self.latent_dims, self.top_down, strict=False)
        return tuple(GivenAbove(size, module) for size, module in pairs)

    def top_posterior(self, x: Tensor, context: Context | None = None) -> Independent:
        """Return q(z_T|x), with batch shape `(B,)`."""
        return gaussian(outputs_of(self.heads[-1], self._features(x, context)[-1], context))

    def forward(self, x: Tensor, context: Context | None = None) -> JointPosterior:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""
        pairs = zip(self.heads, self._features(x, context), strict=True)
        *below, top = (gaussian(outputs_of(head, d, context)) for head, d in pairs)
        levels = zip(self.latent_dims, self.top_down, below, strict=False)
        return JointPosterior(
            top,
            [GivenAbove(size, Merged(down), loc_and_scale(up)) for size, down, up in levels],
        )

    def _features(self, x: Tensor, context: Context | None) -> list[Tensor]:
        features = [self.scaled(x)]
        for network in self.bottom_up:
            features.append(outputs_of(network, features[-1], context))
        return features[1:]


class Merged(nn.Module):
    """The prediction of a level from features, multiplied by that from the level above.

    Args:
        top_down: A module from the level above to a diagonal Gaussian.
    """

    def __init__(self, top_down: nn.Module) -> None:
        super().__init__()
        self.top_down = top_down

    def forward(self, loc: Tensor, scale: Tensor, above: Tensor) -> Independent:
        """Return the product of two Gaussians, one `(B, L_l)` and one from the level above."""
        other, other_scale = loc_and_scale(self.top_down(above))
        precision, other_precision = scale.pow(-2), other_scale.pow(-2)
        total = precision + other_precision
        merged = (loc * precision + other * other_precision) / total
        return Independent(Normal(merged, torch.rsqrt(total)), 1)
