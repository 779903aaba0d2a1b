"""The VampPrior of labelled data."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.networks.context import Context, Encoder, given_labels
from priory.networks.data_range import DataRange, checked_range, range_tensors
from priory.priors.base import Prior
from priory.priors.parts.pseudo_inputs import PosteriorsAt, check_data, fold

OWN_SHARE = 0.9
"""The share that a pseudo-input which starts from a datum gives that datum's label."""


class ConditionalVampPrior(Prior):
    r"""A mixture of the encoder's posteriors at labelled pseudo-inputs, for each label its own.

    The encoder may take labels itself: q(z|x, y). With `covariates="fixed"` each label y has K
    pseudo-inputs of its own, encoded with that label:

    $$p(z \mid y) = \sum_{k=1}^K w_{yk} \, q(z \mid u_{yk}, y)$$

    With `covariates="learned"` all labels share K pseudo-inputs, each with a learned distribution
    $c_k$ over labels, which the encoder is given in the place of a label, as a softened one-hot
    vector. The weights for a label follow by Bayes' rule from the joint mixture
    $p(z, y) = \sum_k w_k\, c_{ky}\, q(z \mid u_k, c_k)$:

    $$p(z \mid y) = \sum_{k=1}^K w_k(y) \, q(z \mid u_k, c_k), \qquad
    w_k(y) = \frac{w_k\, c_{ky}}{\sum_j w_j\, c_{jy}}$$

    No category is drawn, so that gradients reach every $c_k$. Either prior is called with
    `Context(labels=labels)`, labels being whole numbers `(B,)`, and returns a distribution with
    batch shape `(B,)`. Pseudo-inputs are kept in their range as in the
    [`VampPrior`][priory.priors.VampPrior].

    Args:
        num_components: The number of pseudo-inputs K: of each label where they are fixed, of all
            labels together where they are learned.
        num_labels: The number of labels C.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take: two numbers, or a pair of
            nested lists of the datum's shape, for each dimension its own.
        covariates: `"fixed"` or `"learned"`, as above.
        init: `"random"` starts from uniform noise in the range; with `"data"`, `fit_data` replaces
            it by a random subset of the data: of each label's, or, where covariates are learned, of
            all data, with nine tenths of $c_k$ on the datum's label.

    Raises:
        ValueError: If a number or an entry of `data_shape` is below one, the range is empty, or
            `covariates` or `init` is unknown.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018, of which this is the extension to
        labels.

    Examples:
        >>> import torch
        >>> from priory import MLP, ConditionalVampPrior, Context, GaussianEncoder
        >>> encoder = GaussianEncoder(MLP((8, 8), (4,), num_labels=10), data_range=(0, 16))
        >>> prior = ConditionalVampPrior(5, 10, data_shape=(8, 8), data_range=(0, 16))
        >>> prior(encoder, Context(labels=torch.tensor([3, 7]))).sample((100,)).shape
        torch.Size([100, 2, 2])

    """

    needs_labels = True
    num_labels: int

    own_labels: Tensor
    low: Tensor
    width: Tensor

    def __init__(
        self,
        num_components: int,
        num_labels: int,
        data_shape: Sequence[int],
        data_range: DataRange = (0.0, 1.0),
        covariates: Literal["fixed", "learned"] = "fixed",
        init: Literal["random", "data"] = "random",
    ) -> None:
        super().__init__()
        self.num_components = num_components
        self.num_labels = num_labels
        self.data_shape = tuple(data_shape)
        self.data_range = checked_range(data_range, self.data_shape)
        if min(num_components, num_labels, *self.data_shape) < 1:
            raise ValueError(
                "expected at least one component, one label and data of at least one value, got "
                f"num_components={num_components}, num_labels={num_labels} and "
                f"data_shape={self.data_shape}."
            )
        if covariates not in ("fixed", "learned"):
            raise ValueError(f"expected covariates='fixed' or 'learned', got {covariates!r}.")
        if init not in ("random", "data"):
            raise ValueError(f"expected init='random' or 'data', got {init!r}.")
        self.covariates = covariates
        self.init = init
        groups = num_labels if covariates == "fixed" else 1
        self.unfolded = nn.Parameter(torch.rand(groups * num_components, *self.data_shape))
        self.logits = nn.Parameter(torch.zeros(groups, num_components))
        if covariates == "fixed":
            own = torch.arange(num_labels).repeat_interleave(num_components)
            self.register_buffer("own_labels", own, persistent=False)
        else:
            self.covariate_logits = nn.Parameter(0.1 * torch.randn(num_components, num_labels))
        low, high = range_tensors(self.data_range)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("width", high - low, persistent=False)
        self._posteriors_at = PosteriorsAt("ConditionalVampPrior")

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u within the data's range: `(C K, *data_shape)` or `(K, ...)`."""
        return fold(self.unfolded, self.low, self.width)

    @property
    def pseudo_covariates(self) -> Tensor:
        """What the encoder is given beside each pseudo-input: its label, or `(K, C)` shares."""
        return self.own_labels if self.covariates == "fixed" else self.covariate_logits.softmax(-1)

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture:
        """Encode every pseudo-input once and return the mixture of each label that is given.

        Args:
            encoder: The module that returns q(z|x, y), or q(z|x), as a diagonal Gaussian.
            context: With the labels, whole numbers `(B,)`.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.
            ValueError: If there are no labels, or one is not among 0, ..., C - 1.

        """
        call = "prior(encoder, Context(labels=labels))"
        y = given_labels(context, self.num_labels, call).to(self.logits.device)
        fixed = self.covariates == "fixed"
        beside = Context(**{"labels" if fixed else "label_shares": self.pseudo_covariates})
        loc, scale = self._posteriors_at(encoder, self.pseudo_inputs, beside)
        if self.covariates == "learned":
            logits = self.logits + self.covariate_logits.log_softmax(-1).mT[y]
            return GaussianMixture(logits, loc, scale)
        loc, scale = (t.unflatten(0, self.logits.shape) for t in (loc, scale))
        return GaussianMixture(self.logits[y], loc[y], scale[y])

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Check that data lie in the range; start from them where `init="data"`.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: Not used.
            context: With the labels of these data, `(N,)`.

        Raises:
            ValueError: If data have another shape or lie beyond the range, there are no labels, or
                there are fewer data, or fewer of a label, than components.

        """
        check_data(x, self.data_shape, self.data_range)
        if self.init == "random":
            return
        call = "fit_data(x, encoder, Context(labels=labels))"
        labels = given_labels(context, self.num_labels, call).to(x.device)
        if self.covariates == "fixed":
            groups = [(labels == label).nonzero().squeeze(-1) for label in range(self.num_labels)]
        else:
            groups = [torch.arange(len(x), device=x.device)]
        if (fewest := min(map(len, groups))) < self.num_components:
            raise ValueError(
                f"expected at least {self.num_components} data for each of {len(groups)} groups of "
                f"pseudo-inputs, got {fewest}; ask for fewer components or use init='random'."
            )
        chosen = torch.cat(
            [group[torch.randperm(len(group))[: self.num_components]] for group in groups]
        )
        self.unfolded.copy_((x[chosen].to(self.unfolded) - self.low) / self.width)
        if self.covariates == "learned":
            others = max(1, self.num_labels - 1)
            own = math.log(OWN_SHARE / (1 - OWN_SHARE) * others)
            one_hot = nn.functional.one_hot(labels[chosen].long(), self.num_labels)
            self.covariate_logits.copy_(own * one_hot)
