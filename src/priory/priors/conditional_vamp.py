"""The VampPrior for labelled data."""

import warnings
from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from priory.networks.data_range import DataRange
from priory.priors.mixture import LabelWeights, LearnedWeights, MixturePrior
from priory.priors.parts.labelled import LabelledInputs
from priory.priors.parts.posteriors import Posteriors
from priory.priors.registry import takes_old_spellings


@takes_old_spellings
class ConditionalVampPrior(MixturePrior):
    r"""For each label, a mixture of the encoder's posteriors at labelled pseudo-inputs.

    The encoder may take labels too: q(z|x, y). With `labels="fixed"` each label y has K separate
    pseudo-inputs, encoded with that label:

    $$p(z \mid y) = \sum_{k=1}^K w_{yk} \, q(z \mid u_{yk}, y)$$

    With `labels="learned"` all labels share K pseudo-inputs, each with a learned distribution
    $c_k$ over labels, which the encoder receives instead of a label, as a softened one-hot vector.
    The weights for a label follow by Bayes' rule from the joint mixture $p(z, y) = \sum_k w_k\,
    c_{ky}\, q(z \mid u_k, c_k)$:

    $$p(z \mid y) = \sum_{k=1}^K w_k(y) \, q(z \mid u_k, c_k), \qquad
    w_k(y) = \frac{w_k\, c_{ky}}{\sum_j w_j\, c_{jy}}$$

    No category is sampled, so gradients reach every $c_k$. Both priors are called with
    `Context(labels=labels)`, where labels are whole numbers `(B,)`, and return a distribution with
    batch shape `(B,)`. Pseudo-inputs are kept in their range as in the
    [`VampPrior`][priory.priors.VampPrior].

    Args:
        num_components: The number of pseudo-inputs K: per label if labels are fixed, in total if
            they are learned.
        num_labels: The number of labels C.
        data_shape: The shape of one example.
        data_range: The range of the data, as for a [`VampPrior`][priory.priors.VampPrior].
        labels: `"fixed"` or `"learned"`, as above.
        init: `"random"` starts from uniform noise in the range; with `"data"`, `fit_data` replaces
            it with a random subset of the data: of each label's data or, if labels are learned, of
            all data, with nine tenths of $c_k$ on the example's label.

    Raises:
        ValueError: If a number or an entry of `data_shape` is below one, the range is empty, or
            `labels` or `init` is unknown.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018; this is its extension to labels.

    Examples:
        >>> import torch
        >>> from priory import MLP, ConditionalVampPrior, Context, GaussianEncoder
        >>> encoder = GaussianEncoder(MLP((8, 8), (4,), num_labels=10), data_range=(0, 16))
        >>> prior = ConditionalVampPrior(5, 10, data_shape=(8, 8), data_range=(0, 16))
        >>> prior(encoder, Context(labels=torch.tensor([3, 7]))).sample((100,)).shape
        torch.Size([100, 2, 2])
    """

    needs_labels = True

    def __init__(
        self,
        num_components: int,
        num_labels: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        labels: Literal["fixed", "learned"] = "fixed",
        init: Literal["random", "data"] = "random",
    ) -> None:
        inputs = LabelledInputs(num_components, num_labels, data_shape, data_range, labels, init)
        fixed = labels == "fixed"
        super().__init__(
            Posteriors(inputs),
            LabelWeights(num_components, num_labels) if fixed else LearnedWeights(num_components),
        )

    @property
    def pseudo_covariates(self) -> Tensor:
        """The name of `pseudo_labels` before version 0.2."""
        warnings.warn(
            "prior.pseudo_covariates is now prior.pseudo_labels.", DeprecationWarning, stacklevel=2
        )
        labels: Tensor = self.pseudo_labels
        return labels
