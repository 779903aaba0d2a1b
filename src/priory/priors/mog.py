"""The mixture-of-Gaussians prior."""

from collections.abc import Mapping
from typing import Any, Literal

from priory.priors.mixture import MixturePrior
from priory.priors.parts.base import Weights
from priory.priors.parts.free import FreeComponents
from priory.priors.registry import takes_old_spellings


@takes_old_spellings
class MoGPrior(MixturePrior):
    r"""A mixture of K diagonal Gaussians with trainable weights, means and scales.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$$

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K.
        spread: Initially, means are drawn from $\mathcal{N}(0, \text{spread}^2 I)$, scales are one
            and weights are equal.
        init: `"random"` keeps these initial values; with `"data"`, `fit_data` replaces them with
            the k-means clusters (with k-means++ seeds) of samples from q(z|x): their shares, means
            and standard deviations; with `"em"`, it replaces them with the mixture that
            expectation-maximisation fits to the samples.
        weights: `"learned"` trains the mixing weights, which start equal; `"uniform"` fixes them at
            1/K; `{"kind": "per-label", "num_labels": C}` trains weights for each label.
        mixture: `"joint"` or `"factorized"`, as in a [`MixturePrior`][priory.priors.MixturePrior].

    Raises:
        ValueError: If `latent_dim` or `num_components` is below one, `spread` is negative or an
            option is unknown.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1.2, equation 4.47.

    Examples:
        >>> from priory import MoGPrior
        >>> p = MoGPrior(latent_dim=2, num_components=16)()
        >>> p.sample((100,)).shape
        torch.Size([100, 2])
    """

    def __init__(
        self,
        latent_dim: int,
        num_components: int,
        spread: float = 1.0,
        init: Literal["random", "data", "em"] = "random",
        *,
        weights: Weights | Mapping[str, Any] | str = "learned",
        mixture: Literal["joint", "factorized"] = "joint",
    ) -> None:
        super().__init__(FreeComponents(num_components, latent_dim, spread, init), weights, mixture)
