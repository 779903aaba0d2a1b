"""Pseudo-inputs with a label, or with shares of labels."""

import math
from collections.abc import Sequence
from typing import Literal, NoReturn

import torch
from jaxtyping import Int
from torch import Tensor, nn

from priory.arguments import at_least, one_of
from priory.networks.calls import Encoder
from priory.networks.constants import add_constant
from priory.networks.context import Context, given_labels
from priory.networks.data_range import DataRange
from priory.priors.parts.base import Inputs
from priory.priors.parts.posteriors import PseudoInputs
from priory.priors.parts.starts import refuse_too_few

OWN_SHARE = 0.9
"""The initial share of the label of the example that a pseudo-input is initialised from."""


class LabelledInputs(PseudoInputs):
    r"""Trainable pseudo-inputs that the encoder receives together with labels.

    The arguments are those of a
    [`ConditionalVampPrior`][priory.priors.ConditionalVampPrior].

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
        at_least(1, num_labels=num_labels)
        one_of(("fixed", "learned"), labels=labels)
        one_of(("random", "data"), init=init)
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
        """What the encoder receives with each input: its label, or `(K, C)` shares."""
        return self.label_of_input if self.labels == "fixed" else self.covariate_logits.softmax(-1)

    def forward(self, context: Context) -> Inputs:
        """Return the inputs with their labels."""
        if self.labels == "fixed":
            return Inputs(self.pseudo_inputs, Context(labels=self.label_of_input))
        context_of_inputs = Context(label_shares=self.pseudo_labels)
        return Inputs(self.pseudo_inputs, context_of_inputs, self.covariate_logits.log_softmax(-1))

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> None:
        """Check that the data are in range, and initialise from them if `init="data"`.

        Raises:
            ValueError: If the data have a different shape or are out of range, there are no labels,
                or there are fewer examples, in total or for a label, than components.
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
        fewest = min(map(len, rows))
        refuse_too_few(fewest, self.num_components, f"data for each of {len(rows)} sets of inputs")
        chosen = torch.cat([row[torch.randperm(len(row))[: self.num_components]] for row in rows])
        self.unfolded.copy_((x[chosen].to(self.unfolded) - self.low) / self.width)
        if self.labels == "learned":
            others = max(1, self.num_labels - 1)
            one_hot = nn.functional.one_hot(labels[chosen], self.num_labels)
            self.covariate_logits.copy_(math.log(OWN_SHARE / (1 - OWN_SHARE) * others) * one_hot)

    def select(self, kept: Int[Tensor, " K"]) -> NoReturn:
        """Refuse, because labels do not share the same inputs."""
        raise ValueError("expected pseudo-inputs that all labels share, got labelled ones.")
