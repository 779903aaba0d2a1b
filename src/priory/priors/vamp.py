"""The variational mixture of posteriors, or VampPrior."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from priory.distributions import FactorizedGaussianMixture, GaussianMixture
from priory.extras import needs
from priory.networks.context import Context, Encoder
from priory.priors.base import Prior
from priory.priors.pseudo_inputs import PosteriorsAt, checked_range, fold


class VampPrior(Prior):
    r"""A mixture of the encoder's posteriors at K trainable pseudo-inputs.

    $$p(z) = \sum_{k=1}^K w_k \, q(z \mid u_k)$$

    The encoder is shared with the model, and trained through the prior as well: its gradient
    arrives both from q(z|x) and from p(z).

    Pseudo-inputs stay in the data's range by reflection. The parameter t runs over the whole line
    and is folded into the range by a triangle wave of period two, which rises from low to high as t
    goes from 0 to 1 and falls again as t goes to 2. Its slope is plus or minus the width of the
    range everywhere, at the border too: a value that was driven there comes back as soon as its
    gradient turns.

    Args:
        num_components: The number of pseudo-inputs K.
        data_shape: The shape of one datum.
        data_range: The smallest and the largest value a datum can take.
        weights: `"learned"` trains the mixing weights, from equal ones; `"uniform"` fixes them at
            1/K.
        init: `"random"` starts from uniform noise in the range; with `"data"`, `fit_data` replaces
            it by a random subset of the data, with `"kmeans"` by the centres of k-means.
        factorized: Whether to use the product of one-dimensional mixtures,
            [`FactorizedGaussianMixture`][priory.distributions.FactorizedGaussianMixture], in place
            of the equation.

    Raises:
        ValueError: If K or an entry of `data_shape` is below one, the range is empty, or `weights`
            or `init` is unknown.

    Reference:
        Tomczak & Welling, *VAE with a VampPrior*, AISTATS 2018; Tomczak, *Deep Generative
        Modeling*, 2022, section 4.4.1.3, equations 4.48 (uniform weights; its 1/N is 1/K) and 4.49
        (learned weights).

    Examples:
        >>> from priory import MLP, GaussianEncoder, VampPrior
        >>> encoder = GaussianEncoder(MLP((8, 8), (2 * 2,)), data_range=(0, 16))
        >>> prior = VampPrior(num_components=16, data_shape=(8, 8), data_range=(0, 16))
        >>> prior(encoder).sample((100,)).shape
        torch.Size([100, 2])

    """

    logits: Tensor
    low: Tensor
    width: Tensor

    def __init__(
        self,
        num_components: int,
        data_shape: Sequence[int],
        data_range: Sequence[float] = (0.0, 1.0),
        weights: Literal["learned", "uniform"] = "learned",
        init: Literal["random", "data", "kmeans"] = "random",
        factorized: bool = False,
    ) -> None:
        super().__init__()
        self.num_components = num_components
        self.data_shape = tuple(data_shape)
        low, high = self.data_range = checked_range(data_range)
        if min(num_components, *self.data_shape, 1) < 1:
            raise ValueError(
                "expected at least one component and data of at least one value, "
                f"got num_components={num_components} and data_shape={self.data_shape}."
            )
        if weights not in ("learned", "uniform"):
            raise ValueError(f"expected weights='learned' or 'uniform', got {weights!r}.")
        if init not in ("random", "data", "kmeans"):
            raise ValueError(f"expected init='random', 'data' or 'kmeans', got {init!r}.")
        self.weights = weights
        self.init = init
        self.factorized = factorized
        self.unfolded = nn.Parameter(torch.rand(num_components, *self.data_shape))
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("width", torch.tensor(high - low), persistent=False)
        logits = torch.zeros(num_components)
        if weights == "learned":
            self.logits = nn.Parameter(logits)
        else:
            self.register_buffer("logits", logits, persistent=False)
        self._posteriors_at = PosteriorsAt("VampPrior")

    @property
    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs u, `(K, *data_shape)`, within the data's range."""
        return fold(self.unfolded, self.low, self.width)

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> GaussianMixture | FactorizedGaussianMixture:
        """Encode every pseudo-input once and return the mixture of their posteriors.

        Args:
            encoder: The module that returns q(z|x) as a diagonal Gaussian.
            context: Not used.

        Raises:
            TypeError: If there is no encoder, or it returns anything but a diagonal Gaussian.

        """
        loc, scale = self._posteriors_at(encoder, self.pseudo_inputs)
        mixture = FactorizedGaussianMixture if self.factorized else GaussianMixture
        return mixture(self.logits, loc, scale)

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context | None = None) -> None:
        """Check that data lie in the range; start from them where `init` is `"data"` or `"kmeans"`.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: Not used.
            context: Not used.

        Raises:
            ValueError: If there are fewer data than components, or data of another shape or beyond
                the range.

        """
        low, high = self.data_range
        if x.shape[1:] != self.data_shape or x.min() < low or x.max() > high:
            raise ValueError(
                f"expected data of shape (N, {', '.join(map(str, self.data_shape))}) within "
                f"[{low:g}, {high:g}], got {tuple(x.shape)} within [{x.min():g}, {x.max():g}]."
            )
        if self.init == "random":
            return
        if len(x) < self.num_components:
            raise ValueError(
                f"expected at least {self.num_components} data, one for each pseudo-input, "
                f"got {len(x)}; ask for fewer components or use init='random'."
            )
        seed = int(torch.randint(2**31, ()))
        if self.init == "data":
            generator = torch.Generator().manual_seed(seed)
            chosen = torch.randperm(len(x), generator=generator)[: self.num_components]
            start = x[chosen.to(x.device)]
        else:
            with needs("train"):
                from sklearn.cluster import KMeans
            kmeans = KMeans(self.num_components, init="k-means++", n_init=1, random_state=seed)
            kmeans.fit(x.flatten(1).cpu().numpy())
            start = torch.as_tensor(kmeans.cluster_centers_).unflatten(1, self.data_shape)
        unit = (start.to(self.unfolded) - self.low) / self.width
        self.unfolded.copy_(unit.clamp(0, 1))  # k-means may round past the border
