"""Components that are parameters themselves, and where they may start."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from priory.arrays import to_numpy
from priory.blockwise import blocks
from priory.extras import needs
from priory.networks.context import Context, Encoder, call, given, given_labels
from priory.priors.parts.base import Components, ComponentsPart


class FreeComponents(ComponentsPart):
    r"""Diagonal Gaussians with trainable means and scales, $\mathcal{N}(\mu_k, \sigma_k^2)$.

    Args:
        num_components: The number of components K.
        latent_dim: The number of latent dimensions L.
        spread: At the start, means are drawn from $\mathcal{N}(0, \text{spread}^2 I)$ and scales
            are one.
        init: `"random"` keeps that start; with `"data"`, `fit_data` replaces it by the k-means
            clusters (from k-means++ seeds) of samples from q(z|x): their shares, means and standard
            deviations; with `"em"`, by the mixture that expectation-maximisation fits to them.
        num_labels: The number of labels C that each have K components of their own; None where all
            examples share them.

    Raises:
        ValueError: If a number is below one, `spread` is negative or `init` is unknown.

    """

    kind = "free"
    can_be_placed = True

    def __init__(
        self,
        num_components: int,
        latent_dim: int,
        spread: float = 1.0,
        init: Literal["random", "data", "em"] = "random",
        num_labels: int | None = None,
    ) -> None:
        super().__init__()
        if min(latent_dim, num_components, num_labels or 1) < 1 or num_labels == 0:
            labels = "" if num_labels is None else f", num_labels={num_labels}"
            raise ValueError(
                f"expected at least one latent dimension and one component"
                f"{' and one label' if labels else ''}, got latent_dim={latent_dim}, "
                f"num_components={num_components}{labels}."
            )
        if spread < 0:
            raise ValueError(f"expected a spread of at least zero, got {spread}.")
        if init != "random" and init not in STARTS:
            raise ValueError(f"expected init='random', 'data' or 'em', got {init!r}.")
        self.num_components = num_components
        self.latent_dim = latent_dim
        self.spread = spread
        self.init = init
        self.num_labels = num_labels
        sets = () if num_labels is None else (num_labels,)
        shape = (*sets, num_components, latent_dim)
        self.loc = nn.Parameter(spread * torch.randn(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, encoder: Encoder | None, context: Context) -> Components:
        """Return the components; the encoder is not used."""
        return Components(self.loc, self.log_scale.exp())

    @torch.no_grad()
    def fit_data(self, x: Tensor, encoder: Encoder, context: Context) -> Tensor | None:
        """Start from encoded data where `init` says so, and return the log-weights of that start.

        Args:
            x: The training data, `(N, *data_shape)`.
            encoder: The module that returns q(z|x).
            context: What is known of these data.

        Returns:
            The log-weights, `(K,)` or `(C, K)`; None if the start is random.

        Raises:
            ValueError: If there are fewer examples, or fewer of a label, than components, or no
                labels where they are needed.

        """
        if self.init == "random":
            return None
        whose = "data"
        if self.num_labels is None:
            groups: list[Any] = [slice(None)]
        else:
            call = "fit_data(x, encoder, Context(labels=labels))"
            labels = given_labels(context, self.num_labels, call)
            groups = [labels == label for label in range(self.num_labels)]
        z = draw_posteriors(encoder, x, context)
        log_weights = []
        for label, group in enumerate(groups):
            samples = z[group]
            if len(samples) < self.num_components:
                if self.num_labels is not None:
                    whose = f"data of label {label}"
                raise ValueError(
                    f"expected at least {self.num_components} {whose}, one for each component, got "
                    f"{len(samples)}; ask for fewer components or use init='random'."
                )
            seed = int(torch.randint(2**31, ()))
            weights, loc, scale = STARTS[self.init](samples, self.num_components, seed)
            at = ... if self.num_labels is None else label
            self.loc[at] = loc.to(self.loc)
            self.log_scale[at] = scale.log().to(self.loc)
            log_weights.append(weights.log().to(self.loc))
        return log_weights[0] if self.num_labels is None else torch.stack(log_weights)

    def select(self, kept: Int[Tensor, " K"]) -> "FreeComponents":
        """Return the components at these positions."""
        new = type(self)(len(kept), self.latent_dim, self.spread, self.init)
        new.to(self.loc).loc.data.copy_(self.loc[kept])
        new.log_scale.data.copy_(self.log_scale[kept])
        return new

    @torch.no_grad()
    def place(self, at: Tensor, x: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Put components at the posteriors of examples."""
        self.loc[at] = loc.to(self.loc)
        self.log_scale[at] = scale.log().to(self.loc)


Start = tuple[Float[Tensor, " K"], Float[Tensor, "K L"], Float[Tensor, "K L"]]
"""The weights, the means and the standard deviations of a mixture."""


def draw_posteriors(
    encoder: Encoder, x: Tensor, context: Context | None = None
) -> Float[Tensor, "N L"]:
    """Return one sample of q(z|x) for each datum.

    Args:
        encoder: The module that returns q(z|x).
        x: Data, `(N, *data_shape)`.
        context: What is known of these data.

    """
    context = given(context)
    parts = [call(encoder, x[rows], context[rows]).sample() for rows in blocks(len(x))]
    return torch.cat(parts)


def kmeans_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Return the shares, means and standard deviations of the k-means clusters of samples.

    The clusters start from k-means++ seeds.

    Args:
        z: Samples.
        num_components: The number of clusters K.
        seed: The seed of k-means++.

    Raises:
        ImportError: If scikit-learn is not installed.

    """
    with needs("train"):
        from sklearn.cluster import KMeans
    z = torch.from_numpy(to_numpy(z))
    kmeans = KMeans(num_components, init="k-means++", n_init=1, random_state=seed)
    member = torch.as_tensor(kmeans.fit(to_numpy(z)).labels_, dtype=torch.long)
    one_hot = nn.functional.one_hot(member, num_components).to(z)
    count = one_hot.sum(0).clamp(min=1)
    centre = one_hot.T @ z / count.unsqueeze(-1)
    spread = (one_hot.T @ (z - centre[member]).square() / count.unsqueeze(-1)).sqrt()
    return count / count.sum(), centre, spread.maximum(_floor(z, 0.1))


def em_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Return the mixture of diagonal Gaussians that expectation-maximisation fits to samples.

    It starts from k-means clusters itself.

    Args:
        z: Samples.
        num_components: The number of components K.
        seed: The seed of its start.

    Raises:
        ImportError: If scikit-learn is not installed.

    Reference:
        Dempster, Laird & Rubin, *Maximum likelihood from incomplete data via the EM algorithm*,
        1977.

    """
    with needs("train"):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    samples = to_numpy(z)
    em = GaussianMixture(num_components, covariance_type="diag", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from there
        em.fit(samples.astype(np.float64))
    weights, loc, variance = (
        torch.from_numpy(t.astype(samples.dtype)) for t in (em.weights_, em.means_, em.covariances_)
    )
    return weights, loc, variance.sqrt().maximum(_floor(torch.from_numpy(samples), 0.01))


def _floor(z: Tensor, share: float) -> Tensor:
    # No component may collapse onto a lone sample.
    return share * z.std(0, correction=0) + torch.finfo(z.dtype).tiny


STARTS = {"data": kmeans_start, "em": em_start}
