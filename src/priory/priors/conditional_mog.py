"""The mixture-of-Gaussians prior for labelled data."""

from typing import Literal

from priory.priors.mixture import LabelWeights, MixturePrior
from priory.priors.parts.free import FreeComponents


class ConditionalMoGPrior(MixturePrior):
    r"""A mixture of K diagonal Gaussians for each label, with trainable weights, means and scales.

    $$p(z \mid y) = \sum_{k=1}^K w_{yk} \, \mathcal{N}(z \mid \mu_{yk},
    \mathrm{diag}\,\sigma_{yk}^2)$$

    It is called with `Context(labels=labels)`, where labels are whole numbers `(B,)`, and returns a
    distribution with batch shape `(B,)`: for each example, the mixture of its label.

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K per label.
        num_labels: The number of labels C.
        spread: Initially, means are drawn from $\mathcal{N}(0, \text{spread}^2 I)$, scales are one
            and weights are equal.
        init: `"random"` keeps these initial values; with `"data"`, `fit_data` replaces them, for
            each label, with the k-means clusters of samples from q(z|x) for the data of that label.

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

    def __init__(
        self,
        latent_dim: int,
        num_components: int,
        num_labels: int,
        spread: float = 1.0,
        init: Literal["random", "data"] = "random",
    ) -> None:
        super().__init__(
            FreeComponents(num_components, latent_dim, spread, init, num_labels),
            LabelWeights(num_components, num_labels),
        )
