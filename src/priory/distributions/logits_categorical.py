"""The categorical distribution for logits that need not be normalised."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Size, Tensor, broadcast_shapes
from torch.distributions import Categorical, constraints
from torch.distributions.utils import lazy_property
from torch.nn.functional import cross_entropy

from priory.distributions.torch_distributions import Expandable

NO_VALUE = -(2**63)  # torch's default would leave out -100


class LogitsCategorical(
    Expandable, Categorical, expands={"unnormalized": 1, "_param": 1}, keeps=("_num_events",)
):
    r"""Torch's `Categorical`, with its log-probability as one cross-entropy of the given logits.

    $$\log P(x = v) = a_v - \log \sum_u e^{a_u}$$

    Torch's class normalises the logits a when it is created, with a log-sum-exp and a subtraction,
    and picks from them later; here both are a single operation, forward and backward. Everything
    else is torch's.

    Args:
        unnormalized: The logits a, `(*batch, V)`.
        validate_args: As in every torch distribution.

    Raises:
        ValueError: If there are no logits, or one is NaN; with −∞ a value is impossible.

    Examples:
        >>> import torch
        >>> from priory.distributions import LogitsCategorical
        >>> p = LogitsCategorical(torch.tensor([0.0, 0.0, 0.0, 0.0]))
        >>> round(p.log_prob(torch.tensor(3)).exp().item(), 5)
        0.25
    """

    arg_constraints = {"unnormalized": constraints.real_vector}  # noqa: RUF012 (torch's own)

    unnormalized: Tensor

    def __init__(self, unnormalized: Tensor, validate_args: bool | None = None) -> None:
        if unnormalized.dim() < 1:
            raise ValueError("expected logits of at least one dimension, got a number.")
        self.unnormalized = self._param = unnormalized
        self._num_events = unnormalized.shape[-1]
        if unnormalized.numel() == 0:  # torch cannot validate an empty set of vectors
            validate_args = False
        super(Categorical, self).__init__(unnormalized.shape[:-1], validate_args=validate_args)

    @lazy_property
    def logits(self) -> Float[Tensor, "*batch V"]:
        """Return the logarithms of the probabilities."""
        return self.unnormalized.log_softmax(-1)

    @lazy_property
    def probs(self) -> Float[Tensor, "*batch V"]:
        """Return the probabilities."""
        return self.unnormalized.softmax(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw a value by its probability."""
        shape = Size(sample_shape) + self.batch_shape
        if 0 in shape:  # multinomial refuses this
            return self.unnormalized.new_empty(shape, dtype=torch.long)
        return cast(Tensor, super().sample(Size(sample_shape)))  # type: ignore[no-untyped-call]

    def log_prob(self, value: Tensor) -> Float[Tensor, "..."]:
        """Return log P(x) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args:
            self._validate_sample(value)
        if broadcast_shapes(value.shape, self.batch_shape) != self.batch_shape:
            # Many values each: torch picks them without copying the logits for every one.
            return cast(Tensor, super().log_prob(value))  # type: ignore[no-untyped-call]
        logits = self.unnormalized.reshape(-1, self._num_events)
        chosen = value.expand(self.batch_shape).reshape(-1).long()
        log_prob = cross_entropy(logits, chosen, reduction="none", ignore_index=NO_VALUE)
        return -log_prob.reshape(self.batch_shape)
