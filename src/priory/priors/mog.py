"""The mixture-of-Gaussians prior."""

from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.networks.context import Context, Encoder
from priory.priors.base import Prior
from priory.priors.parts.mixture_starts import draw_posteriors, em_start, kmeans_start
from priory.priors.parts.pruning import Pruned, prune, rebuilt

STARTS = {"data": kmeans_start, "em": em_start}


class MoGPrior(Prior):
    r"""A mixture of K diagonal Gaussians with trainable weights, means and scales.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$$

    Args:
        latent_dim: The number of latent dimensions L.
        num_components: The number of components K.
        spread: At the start, means are drawn from $\mathcal{N}(0, \text{spread}^2 I)$, scales are
            one and weights are equal.
        init: `"random"` keeps that start; with `"data"`, `fit_data` replaces it by the k-means
            clusters (from k-means++ seeds) of samples from q(z|x): their shares, means and standard
            deviations; with `"em"`, by the mixture that expectation-maximisation fits to them.
        factorized: Whether to use the product of one-dimensional mixtures,
            [`FactorizedGaussianMixture`][priory.distributions.FactorizedGaussianMixture], in place
            of the equation.

    Raises:
        ValueError: If `latent_dim` or `num_components` is below one, `spread` is negative or `init`
            is unknown.

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
        factorized: bool = False,
    ) -> None:
        super().__init__()
        if latent_dim < 1 or num_components < 1:
            raise ValueError(
                "expected at least one latent dimension and one component, "
                f"got latent_dim={latent_dim} and num_components={num_components}."
            )
        if spread < 0:
            raise ValueError(f"expected a spread of at least zero, got {spread}.")
        if init != "random" and init not in STARTS:
            raise ValueError(f"expected init='random', 'data' or 'em', got {init!r}.")
        self.latent_dim = latent_dim
        self.num_components = num_components
        self.spread = spread
        self.init = init
        self.factorized = factorized
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.loc = nn.Parameter(spread * torch.randn(num_components, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(num_components, latent_dim))

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture | FactorizedGaussianMixture:
        """Return the mixture; the encoder is not used."""
        mixture = FactorizedGaussianMixture if self.factorized else GaussianMixture
        return mixture(self.logits, self.loc, self.log_scale.exp())

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Start from encoded data where `init` is `"data"` or `"em"`.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: What is known of these data, for the encoder.

        Raises:
            ValueError: If there are fewer data than components.

        """
        if self.init == "random":
            return
        if len(x) < self.num_components:
            raise ValueError(
                f"expected at least {self.num_components} data, one for each component, "
                f"got {len(x)}; ask for fewer components or use init='random'."
            )
        z = draw_posteriors(encoder, x, context)
        seed = int(torch.randint(2**31, ()))
        weights, loc, scale = STARTS[self.init](z, self.num_components, seed)
        self.logits.copy_(weights.log())
        self.loc.copy_(loc)
        self.log_scale.copy_(scale.log())

    def prune(
        self, encoder: Encoder, data: Tensor, keep: int | float, context: Context | None = None
    ) -> Pruned:
        """Keep the components that data use most; the arguments are those of `priors.prune`."""
        return prune(self, encoder, data, keep, context)

    @torch.no_grad()
    def select(self, kept: Tensor) -> "MoGPrior":
        """Return a new prior of the components at these positions, their weights renormalised."""
        new = rebuilt(self, num_components=len(kept))
        new.logits.copy_(self.logits[kept])
        new.loc.copy_(self.loc[kept])
        new.log_scale.copy_(self.log_scale[kept])
        return new
