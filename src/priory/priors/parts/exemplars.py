"""Inputs that are the training data."""

import torch
from jaxtyping import Int
from torch import Tensor

from priory.arguments import at_least
from priory.networks.calls import Encoder
from priory.networks.context import Context
from priory.priors.parts.base import Inputs, InputsPart


class Exemplars(InputsPart):
    """The training data, or a subset of `subset_size` examples in each step (None uses all).

    A call for examples with known positions uses a subset, and says which examples its inputs are;
    a call without positions uses all. `fit_data` sets the exemplars. They move with the part but
    are not saved with it.

    Raises:
        ValueError: If `subset_size` is below two.
    """

    kind = "exemplars"
    holds_examples = True

    exemplars: Tensor
    labels: Tensor | None

    def __init__(self, subset_size: int | None = None) -> None:
        super().__init__()
        at_least(2, subset_size=subset_size)
        self.subset_size = subset_size
        self.register_buffer("exemplars", torch.zeros(0), persistent=False)
        self.register_buffer("labels", None, persistent=False)

    def forward(self, context: Context) -> Inputs:
        """Return the exemplars of a step, or all of them; there are none before `fit_data`."""
        if len(self.exemplars) == 0:
            raise RuntimeError(
                "expected the exemplars of an ExemplarPrior, got a call before fit_data(x, "
                "encoder); a loaded prior needs its training data again."
            )
        if context.index is None:
            return Inputs(self.exemplars, Context(labels=self.labels))
        count, device = len(self.exemplars), self.exemplars.device
        if self.subset_size is None or self.subset_size >= count:
            chosen = torch.arange(count, device=device)
        else:
            chosen = torch.randperm(count, device=device)[: self.subset_size]
        labels = None if self.labels is None else self.labels[chosen]
        return Inputs(self.exemplars[chosen], Context(index=chosen, labels=labels))

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Store the training data as exemplars, in order, with their labels if known.

        Raises:
            ValueError: If there are fewer than two examples.
        """
        if len(x) < 2:
            raise ValueError(f"expected at least two training examples, got {len(x)}.")
        like = (
            x if self.exemplars.is_meta else self.exemplars
        )  # for a prior loaded without its data
        self.exemplars = x.detach().to(like, copy=True)
        self.labels = None if context.labels is None else context.labels.to(self.exemplars.device)

    def select(self, kept: Int[Tensor, " K"]) -> "Exemplars":
        """Return the exemplars at these positions."""
        new = type(self)(self.subset_size)
        new.exemplars = self.forward(Context()).u[kept]
        new.labels = None if self.labels is None else self.labels[kept]
        return new
