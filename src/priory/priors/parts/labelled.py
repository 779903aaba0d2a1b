"""Pseudo-inputs with a label, or with shares of labels, beside them."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor, nn

from priory.networks.constants import add_constant
from priory.networks.context import Context, Encoder, given_labels
from priory.networks.data_range import DataRange
from priory.priors.parts.base import Inputs
from priory.priors.parts.posteriors import PseudoInputs

OWN_SHARE = 0.9
"""The share that a pseudo-input which starts from an example gives that example's label."""


class LabelledInputs(PseudoInputs):
    r"""Trainable pseudo-inputs that the encoder is given with labels.

    Args:
        num_components: The number of inputs K: of each label where they are fixed, of all labels
            together where they are learned.
        num_labels: The number of labels C.
        data_shape: The shape of one example.
        data_range: The smallest and the largest value an example can take: two numbers, or a pair
            of nested lists of the example's shape, for each dimension its own.
        labels: `"fixed"` gives each label K inputs of its own; with `"learned"` all labels share K
            inputs, each with learned shares of the labels.
        init: `"random"` starts from uniform noise in the range; with `"data"`, `fit_data` replaces
            it by a random subset of the data: of each label's, or, where labels are learned, of all
            data, with nine tenths of the shares on the example's label.

    Raises:
        ValueError: If a size is below one, the range is empty, or `labels` or `init` is unknown.

    """

    kind = "labelled"
    num_labels: int

    label_of_input: Tensor

    def __init__(
        self,
        num_components: int,
        num_labels: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        labels: Literal["fixed", "learned"] = "fixed",
        init: Literal["random", "data"] = "random",
    ) -> None:
        super().__init__(num_components, data_shape, data_range)
        if num_labels < 1:
            raise ValueError(f"expected at least one label, got num_labels={num_labels}.")
        if labels not in ("fixed", "learned"):
            raise ValueError(f"expected labels='fixed' or 'learned', got {labels!r}.")
        if init not in ("random", "data"):
            raise ValueError(f"expected init='random' or 'data', got {init!r}.")
        self.num_labels = num_labels
        self.labels = labels
        self.init = init
        sets = num_labels if labels == "fixed" else 1
        self.unfolded = nn.Parameter(torch.rand(sets * num_components, *self.data_shape))
        if labels == "fixed":
            label_of_input = torch.arange(num_labels).repeat_interleave(num_components)
            add_constant(self, "label_of_input", label_of_input)
        else:
            self.covariate_logits = nn.Parameter(0.1 * torch.randn(num_components, num_labels))

    @property
    def unit_inputs(self) -> Tensor:
        """The parameters: `(C K, *data_shape)` or `(K, *data_shape)`."""
        return self.unfolded

    @property
    def pseudo_labels(self) -> Tensor:
        """What the encoder is given beside each input: its label, or `(K, C)` shares."""
        return self.label_of_input if self.labels == "fixed" else self.covariate_logits.softmax(-1)

    def forward(self, context: Context) -> Inputs:
        """Return the inputs with their labels."""
        if self.labels == "fixed":
            return Inputs(self.pseudo_inputs, Context(labels=self.label_of_input))
        told = Context(label_shares=self.pseudo_labels)
        return Inputs(self.pseudo_inputs, told, self.covariate_logits.log_softmax(-1))

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Check that the data lie in the range; start from them where `init="data"`.

        Raises:
            ValueError: If data have another shape or lie beyond the range, there are no labels, or
                there are fewer examples, or fewer of a label, than components.

        """
        self.check(x)
        if self.init == "random":
            return
        call = "fit_data(x, encoder, Context(labels=labels))"
        labels = given_labels(context, self.num_labels, call).to(x.device)
        if self.labels == "fixed":
            rows = [(labels == label).nonzero().squeeze(-1) for label in range(self.num_labels)]
        else:
            rows = [torch.arange(len(x), device=x.device)]
        if (fewest := min(map(len, rows))) < self.num_components:
            raise ValueError(
                f"expected at least {self.num_components} data for each of {len(rows)} sets of "
                f"pseudo-inputs, got {fewest}; ask for fewer components or use init='random'."
            )
        chosen = torch.cat([row[torch.randperm(len(row))[: self.num_components]] for row in rows])
        self.unfolded.copy_((x[chosen].to(self.unfolded) - self.low) / self.width)
        if self.labels == "learned":
            others = max(1, self.num_labels - 1)
            one_hot = nn.functional.one_hot(labels[chosen], self.num_labels)
            self.covariate_logits.copy_(math.log(OWN_SHARE / (1 - OWN_SHARE) * others) * one_hot)

    def select(self, kept: Int[Tensor, " K"]) -> "LabelledInputs":
        """Refuse, as labels do not use the same inputs.

        Raises:
            ValueError: Always.

        """
        raise ValueError("expected pseudo-inputs that all labels share, got labelled ones.")
