"""Independent blocks of columns, each with its own distribution."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from priory.distributions.torch_distributions import Expandable, log_prob_of


class _SideBySide(constraints.Constraint):
    """Vectors whose blocks of columns each satisfy their own constraint."""

    event_dim = 1

    def __init__(self, supports: Sequence[constraints.Constraint], sizes: Sequence[int]) -> None:
        self.supports = supports
        self.sizes = list(sizes)
        self.is_discrete = all(support.is_discrete for support in supports)
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        parts = value.split(self.sizes, dim=-1)
        checks = [support.check(part) for support, part in zip(self.supports, parts, strict=True)]
        return torch.stack(checks).all(0)


class MixedColumns(Expandable, expands={"blocks": 0}, keeps=("_sizes",)):
    r"""A vector whose blocks of columns are independent, each with its own distribution.

    $$p(x) = \prod_j p_j(x_{[j]})$$

    where $x_{[j]}$ is the j-th of the adjacent blocks. If some of them are densities and others
    masses, the product is a density in the former. In nats.

    Args:
        blocks: Distributions with the same batch shape and event shapes `(D_j,)`.
        validate_args: As in every torch distribution.

    Raises:
        ValueError: If there are no blocks, their batch shapes differ or one is not over vectors.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal, OneHotCategorical
        >>> from priory.distributions import MixedColumns
        >>> height = Independent(Normal(torch.zeros(1), torch.ones(1)), 1)
        >>> colour = OneHotCategorical(logits=torch.zeros(3))
        >>> p = MixedColumns([height, colour])
        >>> p.log_prob(p.sample((5,))).shape, p.event_shape
        (torch.Size([5]), torch.Size([4]))
    """

    arg_constraints = {}  # noqa: RUF012 (the blocks check theirs)
    has_rsample = False

    def __init__(self, blocks: Sequence[Distribution], validate_args: bool | None = None) -> None:
        self.blocks = tuple(blocks)
        shapes = [(tuple(b.batch_shape), tuple(b.event_shape)) for b in self.blocks]
        if len({batch for batch, _ in shapes}) != 1 or any(len(event) != 1 for _, event in shapes):
            raise ValueError(
                "expected one or more distributions over vectors with the same batch shape, got "
                f"(batch shape, event shape) of {shapes}."
            )
        self._sizes = [block.event_shape[0] for block in self.blocks]
        batch = self.blocks[0].batch_shape
        super().__init__(batch, Size([sum(self._sizes)]), validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """The product of the blocks' supports."""
        supports = [cast(constraints.Constraint, block.support) for block in self.blocks]
        return _SideBySide(supports, self._sizes)

    def log_prob(self, value: Float[Tensor, "*#points D"]) -> Float[Tensor, "..."]:
        """Return log p(x) in nats, summed over blocks, of shape `(*sample, *batch)`."""
        if value.shape[-1:] != self.event_shape:
            raise ValueError(
                f"expected values with {self.event_shape[0]} columns, got shape "
                f"{tuple(value.shape)}."
            )
        parts = value.split(self._sizes, dim=-1)
        terms = [log_prob_of(block, part) for block, part in zip(self.blocks, parts, strict=True)]
        return torch.stack(terms).sum(0)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... D"]:
        """Draw every block."""
        # Some torch distributions cannot draw zero samples, so one is drawn and discarded.
        drawn = Size([max(1, count) for count in sample_shape])
        columns = torch.cat([block.sample(drawn) for block in self.blocks], dim=-1)
        return columns[tuple(slice(count) for count in sample_shape)]

    @property
    def mean(self) -> Float[Tensor, "*batch D"]:
        """The concatenated means of the blocks; that of a one-hot block is its probabilities."""
        return torch.cat([block.mean for block in self.blocks], dim=-1)
