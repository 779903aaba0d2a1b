"""A batch of distributions, restored to its shape before flattening."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from priory.distributions.torch_distributions import Expandable


class UnflattenedDistribution(Expandable, expands={}, keeps=("flat", "shape")):
    r"""A distribution whose first batch dimension, N, represents several with product N.

    For `flat`, with batch shape `(N, *rest)`, the first dimension represents `shape`, which is `()`
    if N is one. `flat` validates values.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory.distributions.unflattened import UnflattenedDistribution
        >>> flat = Independent(Normal(torch.zeros(6, 4), 1.0), 1)
        >>> p = UnflattenedDistribution(flat, (2, 3))
        >>> p.log_prob(torch.zeros(3, 4)).shape, p.sample((5,)).shape
        (torch.Size([2, 3]), torch.Size([5, 2, 3, 4]))
    """

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)

    def __init__(
        self, flat: Distribution, shape: Sequence[int], validate_args: bool | None = None
    ) -> None:
        if flat.batch_shape[:1] != (math.prod(shape),):
            raise ValueError(
                f"expected a batch of {math.prod(shape)} distributions for shape {tuple(shape)}, "
                f"got batch shape {tuple(flat.batch_shape)}."
            )
        self.flat, self.shape = flat, Size(shape)
        batch = Size((*self.shape, *flat.batch_shape[1:]))
        super().__init__(batch, flat.event_shape, validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint | None:
        """The support of each distribution."""
        support: constraints.Constraint | None = self.flat.support
        return support

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether samples have gradients."""
        return bool(self.flat.has_rsample)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """Return the same distributions with additional leading batch dimensions."""
        batch = Size(batch_shape)
        if batch[len(batch) - len(self.batch_shape) :] != self.batch_shape:
            raise ValueError(
                f"expected a batch shape that ends with {tuple(self.batch_shape)}, got "
                f"{tuple(batch)}; only leading dimensions can be added."
            )
        return super().expand(batch, _instance)

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """Return log p(x) in nats, of shape `(*sample, *batch)`."""
        whole = Size((*self.batch_shape, *self.event_shape))
        value = value.expand(torch.broadcast_shapes(value.shape, whole))
        before = value.dim() - self._dims - len(self.event_shape)
        stop = before + len(self.shape)
        flat = value.reshape(*value.shape[:before], math.prod(self.shape), *value.shape[stop:])
        return self._restored(self.flat.log_prob(flat), before)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw from each distribution, `(*sample, *batch, *event)`."""
        return self._drawn(self.flat.sample, sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw with gradients, if available, `(*sample, *batch, *event)`."""
        return self._drawn(self.flat.rsample, sample_shape)

    @property
    def mean(self) -> Tensor:
        """The mean of each, `(*batch, *event)`."""
        return self.of_each(self.flat.mean)

    @property
    def mode(self) -> Tensor:
        """The mode of each, `(*batch, *event)`."""
        return self.of_each(self.flat.mode)

    @property
    def variance(self) -> Tensor:
        """The variance of each, `(*batch, *event)`."""
        return self.of_each(self.flat.variance)

    def entropy(self) -> Tensor:
        """Return the entropy of each in nats, `(*batch,)`."""
        return self.of_each(self.flat.entropy())

    def _restored(self, values: Tensor, before: int = 0) -> Tensor:
        return values.reshape((*values.shape[:before], *self.shape, *values.shape[before + 1 :]))

    @property
    def _dims(self) -> int:
        """The number of batch dimensions without those added by `expand`."""
        return len(self.shape) + len(self.flat.batch_shape) - 1

    def _drawn(self, draw: Callable[[Size], Tensor], sample_shape: Sequence[int]) -> Tensor:
        added = self.batch_shape[: len(self.batch_shape) - self._dims]
        return self._restored(draw(Size((*sample_shape, *added))), len(sample_shape) + len(added))

    def of_each(self, values: Tensor) -> Tensor:
        """Return a result of `flat`, `(N, ...)`, as `(*batch, ...)`."""
        restored = self._restored(values)
        return restored.expand((*self.batch_shape, *restored.shape[self._dims :]))
