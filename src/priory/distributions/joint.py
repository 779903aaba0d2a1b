"""Distributions over several levels of latents, concatenated in one vector."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, Normal, constraints

from priory.distributions.torch_distributions import (
    Expandable,
    Independent,
    loc_and_scale,
    log_prob_of,
)

Draw = Callable[[Distribution, Size], Tensor]
"""A function that draws from a distribution of one level, `draw(distribution, sample_shape)`."""


@runtime_checkable
class Conditional(Protocol):
    """One level given the one above, $p(z_l | z_{l+1})$."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The number of dimensions of the level."""

    def __call__(self, above: Tensor) -> Distribution:
        """Return the distribution of the level, with the batch shape of the level above."""

    def detached(self) -> "Conditional":
        """Return the same, with gradients for the level above but not for parameters."""


class JointDistribution(Expandable, expands={"top": 0}, keeps=("below",)):
    r"""A top level, and levels below it that each depend on the one above.

    $$p(z) = p(z_T) \prod_{l=1}^{T-1} p(z_l \mid z_{l+1})$$

    The levels are concatenated, $z = (z_1, \dots, z_T)$; the first is next to the data. The density
    of the last sample reuses the distributions that it was drawn from: nothing is computed twice.

    Args:
        top: The distribution of the top level, with any batch shape and event shape `(L_T,)`.
        below: The other levels, from the first to the one below the top, each given the next.

    Examples:
        >>> import torch
        >>> from priory import HierarchicalPrior
        >>> p = HierarchicalPrior(latent_dims=(3, 2))()
        >>> z = p.sample((5,))
        >>> [level.shape[-1] for level in p.split(z)], p.log_prob(z).shape
        ([3, 2], torch.Size([5]))
    """

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)
    support = constraints.real_vector
    _drawn: tuple[Tensor, tuple[Distribution, ...], bool] | None = None

    def __init__(
        self, top: Distribution, below: Sequence[Conditional], validate_args: bool | None = None
    ) -> None:
        self.top, self.below = top, tuple(below)
        super().__init__(top.batch_shape, Size((sum(self.sizes),)), validate_args=validate_args)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of dimensions of each level, starting next to the data."""
        return (*(level.size for level in self.below), self.top.event_shape[0])

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether samples have gradients."""
        return bool(self.top.has_rsample)

    def split(self, z: Float[Tensor, "*points L"]) -> tuple[Tensor, ...]:
        """Return the levels of points, each `(*points, L_l)`, starting next to the data."""
        return torch.split(z, list(self.sizes), -1)

    def conditionals(self, z: Float[Tensor, "*points L"]) -> tuple[Distribution, ...]:
        """Return the distribution of each level but the top, given the one above in z."""
        if self._drawn is not None:
            drawn, distributions, with_gradient = self._drawn
            if drawn is z and (with_gradient or not torch.is_grad_enabled()):
                return distributions
        above = self.split(z)[1:]
        return tuple(level(one) for level, one in zip(self.below, above, strict=True))

    def terms(self, z: Float[Tensor, "*points L"]) -> tuple[Float[Tensor, "..."], ...]:
        """Return the log-density of each level given the one above, in nats; the top is last."""
        return (*self.terms_below(z), log_prob_of(self.top, self.split(z)[-1]))

    def terms_below(self, z: Float[Tensor, "*points L"]) -> tuple[Float[Tensor, "..."], ...]:
        """Return the terms of all levels but the top."""
        pairs = zip(self.conditionals(z), self.split(z), strict=False)
        return tuple(log_prob_of(given, level) for given, level in pairs)

    def log_prob(self, value: Float[Tensor, "*points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, `(*sample, *batch)`."""
        if self._validate_args and value.numel():  # torch cannot validate an empty set of vectors
            self._validate_sample(value)
        *below, top = self.terms(value)
        return sum(below, top)

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw from the top downwards."""
        with torch.no_grad():
            return self.draw(lambda level, shape: level.sample(shape), sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw from the top downwards, with gradients."""
        return self.draw(lambda level, shape: level.rsample(shape), sample_shape)

    def draw(self, draw: Draw, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw from the top downwards, each level with a function of its distribution."""
        return self.completed(draw(self.top, Size(sample_shape)), draw)

    def completed(self, top: Float[Tensor, "*points L_T"], draw: Draw) -> Float[Tensor, "... L"]:
        """Return points with this top level and with other levels drawn given it."""
        levels = [top]
        distributions: list[Distribution] = []
        for level in reversed(self.below):
            distributions.insert(0, level(levels[0]))
            levels.insert(0, draw(distributions[0], Size()))
        z = torch.cat(levels, -1)
        self._drawn = (z, tuple(distributions), torch.is_grad_enabled())
        return z

    def with_top(self, top: Distribution) -> "JointDistribution":
        """Return the same levels below a different top."""
        return type(self)(top, self.below, validate_args=self._validate_args)

    @property
    def log_prob_standard_error(self) -> Callable[[Tensor], Tensor]:
        """The standard error from an estimated density of the top; missing if it is exact."""
        error: Callable[[Tensor], Tensor] = self.top.log_prob_standard_error  # type: ignore[attr-defined]
        return lambda z: error(self.split(z)[-1])


class JointPosterior(JointDistribution, expands={"top": 0}, keeps=("below",)):
    """A posterior over several levels, each of which is a diagonal Gaussian given the one above."""

    @property
    def mean(self) -> Tensor:
        """The mean of each level given the means of those above, `(*batch, L)`.

        It is the mean of the posterior at the top, and at levels below if their means are linear in
        the level above.
        """
        return self.completed(self.top.mean, lambda level, shape: level.mean)

    def detached(self) -> "JointPosterior":
        """Return the same density, with gradients for every level of z but not for parameters.

        A level below the top is conditioned on a level of z itself, whose gradient is kept.
        """
        return type(self)(detached(self.top), [level.detached() for level in self.below])


def detached(q: Distribution) -> Distribution:
    """Return a posterior whose density has gradients for z but not for parameters.

    Args:
        q: A diagonal Gaussian, or several levels of them.

    Raises:
        TypeError: If it is anything else.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory.distributions import detached
        >>> q = Independent(Normal(torch.zeros(2, requires_grad=True), torch.ones(2)), 1)
        >>> detached(q).log_prob(torch.zeros(2)).requires_grad
        False
    """
    if isinstance(q, JointPosterior):
        return q.detached()
    loc, scale = loc_and_scale(q)
    return Independent(Normal(loc.detach(), scale.detach()), 1)


def terms(p: Distribution, z: Float[Tensor, "*points L"]) -> tuple[Float[Tensor, "..."], ...]:
    """Return the log-density of each level of z in nats, the top last; for a flat p, that of z.

    Examples:
        >>> import torch
        >>> from priory import HierarchicalPrior, StandardPrior
        >>> from priory.distributions import terms
        >>> z = torch.zeros(5, 3)
        >>> len(terms(StandardPrior(3)(), z)), len(terms(HierarchicalPrior((2, 1))(), z))
        (1, 2)
    """
    return p.terms(z) if isinstance(p, JointDistribution) else (p.log_prob(z),)


def rates(
    q: Distribution, p: Distribution, z: Float[Tensor, "*points L"]
) -> tuple[Float[Tensor, "..."], ...]:
    """Return log q(z|x) − log p(z) of each level in nats; one term if q and p differ in levels."""
    of_q, of_p = terms(q, z), terms(p, z)
    if getattr(q, "sizes", None) != getattr(p, "sizes", None):
        of_q, of_p = ((sum(some[1:], some[0]),) for some in (of_q, of_p))
    return tuple(one - other for one, other in zip(of_q, of_p, strict=True))


def top_of(p: Distribution) -> Distribution:
    """Return the top level; a flat distribution is returned unchanged."""
    return p.top if isinstance(p, JointDistribution) else p


def top_part(p: Distribution, z: Float[Tensor, "*points L"]) -> Float[Tensor, "..."]:
    """Return the top level of points; for a flat distribution, the points themselves."""
    return p.split(z)[-1] if isinstance(p, JointDistribution) else z
