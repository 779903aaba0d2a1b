"""Helpers for torch's distributions: their moments, their argument validation, their `expand`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Size, Tensor, distributions
from torch.distributions import Distribution, Normal

# torch < 2.7 has no such function.
is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)


def loc_and_scale(
    distribution: Distribution,
) -> tuple[Float[Tensor, "*batch L"], Float[Tensor, "*batch L"]]:
    r"""Return the mean and the scale of a diagonal Gaussian.

    Mixtures of posteriors (the VampPrior, the aggregated posterior) use this function to read the
    posterior's parameters.

    Args:
        distribution: `Independent(Normal(loc, scale), 1)`, with event shape `(L,)`.

    Returns:
        The mean and the standard deviation, each of shape `(*batch, L)`.

    Raises:
        TypeError: If the distribution is anything else.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory.distributions import loc_and_scale
        >>> q = Independent(Normal(torch.zeros(3, 2), torch.ones(3, 2)), 1)
        >>> loc, scale = loc_and_scale(q)
        >>> loc.shape
        torch.Size([3, 2])
    """
    got = type(distribution).__name__
    if isinstance(distribution, distributions.Independent):
        base, dims = distribution.base_dist, distribution.reinterpreted_batch_ndims
        if isinstance(base, Normal) and dims == 1:
            return base.loc, base.scale
        got = f"Independent({type(base).__name__}, {dims})"
    if hasattr(distribution, "split"):  # several levels
        raise TypeError(
            f"expected a diagonal Gaussian over vectors, got several levels, a {got}; give "
            "encoder.top, or use the prior as the top of a HierarchicalPrior."
        )
    raise TypeError(
        "expected a diagonal Gaussian over vectors, Independent(Normal(loc, scale), 1), from the "
        f"encoder, got {got}; let it return one, or use a prior that does not need an encoder."
    )


class Independent(distributions.Independent):  # type: ignore[type-arg]
    """Torch's `Independent`, which also works for empty values, which torch's class cannot sum.

    Examples:
        >>> import torch
        >>> from torch.distributions import Normal
        >>> from priory.distributions.torch_distributions import Independent
        >>> p = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        >>> p.log_prob(torch.zeros(0, 2)).shape
        torch.Size([0])
    """

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """Return the log-density in nats, `(*sample, *batch)`."""
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Return the entropy in nats."""
        return self._summed(self.base_dist.entropy())

    def _summed(self, values: Tensor) -> Tensor:
        dims = self.reinterpreted_batch_ndims
        return values.flatten(-dims).sum(-1) if dims else values


def log_prob_of(distribution: Distribution, value: Tensor) -> Float[Tensor, "..."]:
    """Return the log-density of a distribution, also for empty values, which torch's may refuse."""
    if (
        isinstance(distribution, distributions.Independent)
        and distribution.reinterpreted_batch_ndims == 1
    ):
        return cast(Tensor, distribution.base_dist.log_prob(value).sum(-1))
    return distribution.log_prob(value)


D = TypeVar("D", bound=Distribution)
E = TypeVar("E", bound="Expandable")
T = TypeVar("T")


class Expandable(Distribution):
    """A distribution whose `expand` follows from its attributes.

    A subclass declares in its first line, with `expands`, the number of dimensions after the batch
    for each attribute with a batch (a tensor, a distribution, or several) and, with `keeps`, the
    attributes that do not change.
    """

    _defines_expand: ClassVar[Any]
    _expands: ClassVar[Mapping[str, int]]
    _keeps: ClassVar[Sequence[str]]

    def __init_subclass__(
        cls, expands: Mapping[str, int] | None = None, keeps: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if expands is not None:
            cls._defines_expand, cls._expands, cls._keeps = cls, expands, keeps

    def expand(self: E, batch_shape: Sequence[int], _instance: E | None = None) -> E:
        """Return the same distribution with its batch dimensions expanded to `batch_shape`.

        It has the same class, including subclasses, and validates its arguments if this one does.

        Raises:
            NotImplementedError: If a subclass has its own constructor but no `expand`.
        """
        batch = Size(batch_shape)
        new: E = self._get_checked_instance(self._defines_expand, _instance)  # type: ignore[no-untyped-call]
        for name in self._keeps:
            setattr(new, name, getattr(self, name))
        for name, dims in self._expands.items():
            setattr(new, name, _of_batch(getattr(self, name), batch, dims))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new


def _of_batch(value: Any, batch: Size, dims: int) -> Any:
    """Return a tensor or a distribution with a different batch, before its last dimensions."""
    if isinstance(value, tuple):
        return tuple(_of_batch(part, batch, dims) for part in value)
    shape = value.shape if isinstance(value, Tensor) else value.batch_shape
    return value.expand(batch + shape[len(shape) - dims :])


@contextmanager
def without_argument_checks() -> Iterator[None]:
    """Switch off torch's validation of distribution arguments within a block.

    For small models validation takes a large part of a step: it inspects every number.

    Examples:
        >>> import torch
        >>> from torch.distributions import Normal
        >>> from priory.distributions import without_argument_checks
        >>> with without_argument_checks():
        ...     Normal(0.0, -1.0).scale
        tensor(-1.)
    """
    before = Distribution.__dict__["_validate_args"]
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def unchecked_in_export(make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return the result of a call, without argument validation while `torch.export` traces it.

    A graph cannot contain checks that depend on values. So neither intermediate distributions nor
    the returned one, which would validate its arguments, check anything then.
    """
    if not is_exporting() or torch.compiler.is_dynamo_compiling():
        return make(*args, **kwargs)
    with without_argument_checks():
        result = make(*args, **kwargs)
    pending: list[Any] = [result]
    while pending:
        value = pending.pop()
        if isinstance(value, Distribution):
            value._validate_args = False
            pending += vars(value).values()
        elif isinstance(value, (list, tuple)):
            pending += value
    return result
