"""The class-conditional mixture-of-Gaussians prior."""

from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import GaussianMixture
from priory.networks.context import Context, Encoder, given_labels
from priory.priors.base import Prior
from priory.priors.parts.mixture_starts import draw_posteriors, kmeans_start


class ConditionalMoGPrior(Prior):
    r"""A mixture of K diagonal Gaussians for each label, with trainable weights, means and scales.

    $$p(z \mid y) = \sum_{k=1}^K w_{yk} \, \mathcal{N}(z \mid \mu_{yk},
    \mathrm{diag}\,\sigma_{yk}^2)$$

    It is called with `Context(labels=labels)`, labels being whole numbers `(B,)`, and returns a
    distribution with batch shape `(B,)`: one mixture for each datum, that of its label.

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K of each label.
        num_labels: The number of labels C.
        spread: At the start, means are drawn from $\mathcal{N}(0, \text{spread}^2 I)$, scales are
            one and weights are equal.
        init: `"random"` keeps that start; with `"data"`, `fit_data` replaces it, for each label, by
            the k-means clusters of samples from q(z|x) at the data of that label.

    Raises:
        ValueError: If a number is below one, `spread` is negative or `init` is unknown.

    Reference:
        Kingma et al., *Semi-supervised Learning with Deep Generative Models*, NeurIPS 2014, for the
        model; Tomczak, *Deep Generative Modeling*, 2022, equation 4.47, for the mixture.

    Examples:
        >>> import torch
        >>> from priory import ConditionalMoGPrior, Context
        >>> prior = ConditionalMoGPrior(latent_dim=2, num_components=4, num_labels=10)
        >>> p = prior(context=Context(labels=torch.tensor([3, 3, 7])))
        >>> p.batch_shape, p.sample((100,)).shape
        (torch.Size([3]), torch.Size([100, 3, 2]))

    """

    needs_labels = True
    num_labels: int

    def __init__(
        self,
        latent_dim: int,
        num_components: int,
        num_labels: int,
        spread: float = 1.0,
        init: Literal["random", "data"] = "random",
    ) -> None:
        super().__init__()
        if min(latent_dim, num_components, num_labels) < 1:
            raise ValueError(
                "expected at least one latent dimension, one component and one label, got "
                f"latent_dim={latent_dim}, num_components={num_components} and "
                f"num_labels={num_labels}."
            )
        if spread < 0:
            raise ValueError(f"expected a spread of at least zero, got {spread}.")
        if init not in ("random", "data"):
            raise ValueError(f"expected init='random' or 'data', got {init!r}.")
        self.latent_dim = latent_dim
        self.num_components = num_components
        self.num_labels = num_labels
        self.spread = spread
        self.init = init
        shape = (num_labels, num_components, latent_dim)
        self.logits = nn.Parameter(torch.zeros(shape[:-1]))
        self.loc = nn.Parameter(spread * torch.randn(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture:
        """Return the mixture of each label that is given; the encoder is not used.

        Args:
            encoder: Not used.
            context: With the labels, whole numbers `(B,)`.

        Raises:
            ValueError: If there are no labels, or one is not among 0, ..., C - 1.

        """
        call = "prior(encoder, Context(labels=labels))"
        y = given_labels(context, self.num_labels, call).to(self.logits.device)
        return GaussianMixture(self.logits[y], self.loc[y], self.log_scale[y].exp())

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Start from the clusters of each label's encoded data where `init="data"`.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: With the labels of these data, `(N,)`.

        Raises:
            ValueError: If there are no labels, or a label has fewer data than components.

        """
        if self.init == "random":
            return
        call = "fit_data(x, encoder, Context(labels=labels))"
        labels = given_labels(context, self.num_labels, call)
        z = draw_posteriors(encoder, x, context)
        for label in range(self.num_labels):
            own = z[labels.to(z.device) == label]
            if len(own) < self.num_components:
                raise ValueError(
                    f"expected at least {self.num_components} data of label {label}, one for each "
                    f"component, got {len(own)}; ask for fewer components or use init='random'."
                )
            weights, loc, scale = kmeans_start(
                own, self.num_components, int(torch.randint(2**31, ()))
            )
            self.logits[label].copy_(weights.log())
            self.loc[label].copy_(loc)
            self.log_scale[label].copy_(scale.log())
