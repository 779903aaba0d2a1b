"""Encoders with several levels of latents: their base, and one with a network for each level."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal
from torch.func import functional_call

from priory.arguments import at_least
from priory.distributions.joint import Conditional, JointPosterior
from priory.distributions.torch_distributions import Independent, unchecked_in_export
from priory.networks.calls import num_batches_of, num_labels_of
from priory.networks.context import Context
from priory.networks.data_range import DataRange
from priory.networks.gaussian_encoder import ScaledData, TransformName, gaussian
from priory.networks.head import Head, outputs_of


@dataclass(frozen=True, eq=False)
class GivenAbove:
    """A level given the one above, by a module: `module(*given, above)` returns a distribution.

    Attributes:
        size: The number of dimensions of the level.
        module: The module.
        given: Its other inputs, such as features of x, whose batch is the second to last dimension.
        parameters: Replacements for the module's parameters, or None.
    """

    size: int
    module: nn.Module
    given: tuple[Tensor, ...] = ()
    parameters: dict[str, Tensor] | None = None

    def __call__(self, above: Tensor) -> Distribution:
        """Return the distribution of the level, with the batch shape of the level above.

        Raises:
            ValueError: If the module returns a different number of dimensions.
        """
        arguments = (*self.given, above)
        if self.parameters is None:
            p: Distribution = self.module(*arguments)
        else:
            p = functional_call(self.module, self.parameters, arguments)
        if p.event_shape != (self.size,):
            raise ValueError(
                f"expected {self.size} latent dimensions for a level, got {tuple(p.event_shape)} "
                "from its network; give it two outputs per dimension."
            )
        return p

    def detached(self) -> "GivenAbove":
        """Return the same, with gradients for the level above but not for parameters."""
        frozen = {name: p.detach() for name, p in self.module.named_parameters()}
        given = tuple(tensor.detach() for tensor in self.given)
        return GivenAbove(self.size, self.module, given, frozen)


class LevelEncoder(ScaledData, ABC):
    r"""A posterior over several levels, $q(z \mid x) = q(z_T|x) \prod_l q(z_l | x, z_{l+1})$.

    A call returns it as a [`JointPosterior`][priory.distributions.JointPosterior], with the levels
    concatenated. The posterior of only the top level, $q(z_T|x)$, is a diagonal Gaussian, which
    `encoder.top(x)` returns: a prior over the top level is called with `encoder.top`.

    Attributes:
        latent_dims: The number of dimensions of each level, starting next to the data.
    """

    takes_context = True
    latent_dims: tuple[int, ...]

    @property
    def num_labels(self) -> int | None:
        """The number of labels that the networks take; None if none takes any."""
        return self._declared(num_labels_of)

    @property
    def num_batches(self) -> int | None:
        """The number of batches that the networks take; None if none takes any."""
        return self._declared(num_batches_of)

    def _declared(self, number_of: Callable[[object], int | None]) -> int | None:
        numbers = (number_of(module) for module in self.modules() if module is not self)
        return next((number for number in numbers if number is not None), None)

    @property
    def top(self) -> "TopEncoder":
        """The encoder of the top level alone."""
        return TopEncoder(self)

    @property
    def generative(self) -> tuple[Conditional, ...] | None:
        """The levels below the top of p(z) if the prior shares them, otherwise None."""
        return None

    @abstractmethod
    def top_posterior(self, x: Tensor, context: Context | None = None) -> Independent:
        """Return q(z_T|x), with batch shape `(B,)`."""

    @abstractmethod
    def forward(self, x: Tensor, context: Context | None = None) -> JointPosterior:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a distribution, which can be exported."""
        return unchecked_in_export(super().__call__, *args, **kwargs)


class TopEncoder(nn.Module):
    """The encoder of only the top level.

    Args:
        encoder: The encoder of all levels; nothing is copied.
    """

    takes_context = True

    def __init__(self, encoder: LevelEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.training = encoder.training

    @property
    def num_labels(self) -> int | None:
        """The number of labels that the encoder takes; None if it takes none."""
        return self.encoder.num_labels

    @property
    def num_batches(self) -> int | None:
        """The number of batches that the encoder takes; None if it takes none."""
        return self.encoder.num_batches

    @property
    def data_range(self) -> DataRange:
        """The smallest and the largest value an example can take."""
        return self.encoder.data_range

    def forward(self, x: Tensor, context: Context | None = None) -> Distribution:
        """Return q(z_T|x), with batch shape `(B,)`."""
        return unchecked_in_export(self.encoder.top_posterior, x, context)


MOST_LOG_SCALE = 5.0
"""Scales of levels stay within exp(±5).

A level is evaluated where the one above is uncertain, far from all data. Within exp(±15) the mean
loss rose from 207 to 440,000 nats in the fifth epoch on Fashion-MNIST, and then was not finite.
"""


def level_gaussian(out: Tensor) -> Independent:
    """Return N(μ, σ²) of a level, from the means and the log scales, `(*batch, 2 L)`."""
    loc, log_scale = out.chunk(2, dim=-1)
    scale = log_scale.clamp(-MOST_LOG_SCALE, MOST_LOG_SCALE).exp()
    return Independent(Normal(loc, scale), 1)


class LevelGaussian(Head):
    r"""A level given the one above.

    $$p(z_l \mid z_{l+1}) = \mathcal{N}\big(z_l \mid \mu(z_{l+1}),
    \mathrm{diag}\,\sigma(z_{l+1})^2\big)$$

    Args:
        network: A module from the level above, `(*batch, L_{l+1})`, to `(*batch, 2 L_l)`: the means
            and the logarithms of the standard deviations.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, LevelGaussian
        >>> LevelGaussian(MLP((2,), (2 * 3,)))(torch.zeros(5, 2)).event_shape
        torch.Size([3])
    """

    def forward(self, above: Tensor) -> Independent:
        """Return p(z_l|z_{l+1}), with the batch shape of the level above."""
        return level_gaussian(self.outputs(above, None))


class JoinedGaussian(nn.Module):
    """A level of a posterior from the concatenated features of x and the level above.

    Args:
        features: A network from x, mapped to [-1, 1], to features, `(B, H)`.
        joint: A network from the features and the level above to `(*batch, 2 L_l)`: the means and
            the logarithms of the standard deviations.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, JoinedGaussian
        >>> level = JoinedGaussian(MLP((9,), (5,)), MLP((5 + 2,), (2 * 3,)))
        >>> level(level.features(torch.zeros(4, 9)), torch.zeros(10, 4, 2)).batch_shape
        torch.Size([10, 4])
    """

    def __init__(self, features: nn.Module, joint: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.joint = joint

    def forward(self, h: Tensor, above: Tensor) -> Independent:
        """Return q(z_l|x, z_{l+1}) from features of x, `(B, H)`, and the level above."""
        beside = torch.cat([h.expand(*above.shape[:-1], h.shape[-1]).to(above), above], -1)
        return level_gaussian(outputs_of(self.joint, beside, None))


class HierarchicalEncoder(LevelEncoder):
    r"""Several levels with separate networks.

    $$q(z \mid x) = q(z_T \mid x) \prod_{l=1}^{T-1} q(z_l \mid x, z_{l+1})$$

    Every factor is a diagonal Gaussian.

    Args:
        latent_dims: The number of dimensions of each level, starting next to the data.
        network: A network from x, mapped to [-1, 1], to `(B, 2 L_T)`: the means of the top level
            beside the logarithms of its standard deviations.
        below: For each other level, from the first up, a
            [`JoinedGaussian`][priory.networks.JoinedGaussian].
        data_range: As in a [`GaussianEncoder`][priory.networks.GaussianEncoder].
        transform: As in a `GaussianEncoder`.

    Raises:
        ValueError: If there are fewer than two levels, or not one module for each below the top.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018, section 4, equations 13 to 15, for
        two levels.

    Examples:
        >>> import torch
        >>> from priory.networks import MLP, HierarchicalEncoder, JoinedGaussian
        >>> first = JoinedGaussian(MLP((9,), (5,)), MLP((5 + 2,), (2 * 3,)))
        >>> encoder = HierarchicalEncoder((3, 2), MLP((9,), (2 * 2,)), [first])
        >>> encoder(torch.zeros(4, 9)).event_shape, encoder.top(torch.zeros(4, 9)).event_shape
        (torch.Size([5]), torch.Size([2]))
    """

    def __init__(
        self,
        latent_dims: Sequence[int],
        network: nn.Module,
        below: Sequence[nn.Module],
        data_range: DataRange = (0.0, 1.0),
        transform: TransformName = "linear",
    ) -> None:
        super().__init__()
        self.latent_dims = checked_levels(latent_dims)
        one_for_each(self.latent_dims[:-1], below=below)
        self.network = network
        self.below = nn.ModuleList(below)
        self.set_range(data_range, transform)

    def top_posterior(self, x: Tensor, context: Context | None = None) -> Independent:
        """Return q(z_T|x), with batch shape `(B,)`."""
        return gaussian(outputs_of(self.network, self.scaled(x), context))

    def forward(self, x: Tensor, context: Context | None = None) -> JointPosterior:
        """Return q(z|x), with batch shape `(B,)` and event shape `(L,)`."""
        scaled, below = self.scaled(x), []
        for size, level in zip(self.latent_dims, self.below, strict=False):
            features = outputs_of(cast(JoinedGaussian, level).features, scaled, context)
            below.append(GivenAbove(size, level, (features,)))
        return JointPosterior(gaussian(outputs_of(self.network, scaled, context)), below)


def checked_levels(latent_dims: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of levels, after checking that there are at least two."""
    at_least(1, **{f"latent_dims[{n}]": size for n, size in enumerate(latent_dims)})
    if len(latent_dims) < 2:
        raise ValueError(
            f"expected the sizes of two levels or more, got {tuple(latent_dims)}; for one level "
            "use a GaussianEncoder and a prior without levels."
        )
    return tuple(latent_dims)


def one_for_each(sizes: Sequence[int], **modules: Sequence[nn.Module]) -> None:
    """Refuse modules whose number differs from that of the levels."""
    for name, given in modules.items():
        if len(given) != len(sizes):
            raise ValueError(
                f"expected {len(sizes)} modules in {name}, one for each level of sizes "
                f"{tuple(sizes)}, got {len(given)}."
            )
