"""Components that are parameters, and their initial values."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from priory.arguments import at_least, one_of
from priory.arrays import to_numpy
from priory.blockwise import blocks
from priory.extras import needs
from priory.networks.calls import Encoder, call
from priory.networks.context import Context, given, given_labels
from priory.priors.parts.base import Components, ComponentsPart
from priory.priors.parts.starts import kmeans, refuse_too_few


class FreeComponents(ComponentsPart):
    r"""Diagonal Gaussians with trainable means and scales, $\mathcal{N}(\mu_k, \sigma_k^2)$.

    The arguments are those of a [`MoGPrior`][priory.priors.MoGPrior], and `num_labels`: the number
    of labels C with K components each, or None if all examples share them.

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
        at_least(1, latent_dim=latent_dim, num_components=num_components, num_labels=num_labels)
        at_least(0, spread=spread)
        one_of(("random", *STARTS), init=init)
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
        """Initialise from encoded data if `init` says so, and return the resulting log-weights.

        Raises:
            ValueError: If there are fewer examples, in total or for a label, than components, or
                labels are needed and missing.
        """
        if self.init == "random":
            return None
        z: dict[Any, Tensor] = {}
        if self.num_labels is None:
            z[...] = draw_posteriors(encoder, x, context)
        else:
            how = "fit_data(x, encoder, Context(labels=labels))"
            labels = given_labels(context, self.num_labels, how)
            every = draw_posteriors(encoder, x, context)
            z = {label: every[labels == label] for label in range(self.num_labels)}
        log_weights = torch.zeros_like(self.loc[..., 0])
        for at, samples in z.items():
            whose = "data" if at is ... else f"data of label {at}"
            refuse_too_few(len(samples), self.num_components, whose)
            seed = int(torch.randint(2**31, ()))
            weights, loc, scale = STARTS[self.init](samples, self.num_components, seed)
            self.place(at, samples, loc, scale)
            log_weights[at] = weights.log()
        return log_weights

    def select(self, kept: Int[Tensor, " K"]) -> "FreeComponents":
        """Return the components at these positions."""
        new = type(self)(len(kept), self.latent_dim, self.spread, self.init)
        new.to(self.loc).loc.data.copy_(self.loc[kept])
        new.log_scale.data.copy_(self.log_scale[kept])
        return new

    @torch.no_grad()
    def place(self, at: Any, x: Tensor, loc: Tensor, scale: Tensor) -> None:
        """Place components at the posteriors of examples."""
        self.loc[at] = loc.to(self.loc)
        self.log_scale[at] = scale.log().to(self.loc)


Start = tuple[Float[Tensor, " K"], Float[Tensor, "K L"], Float[Tensor, "K L"]]
"""The weights, the means and the standard deviations of a mixture."""


def draw_posteriors(
    encoder: Encoder, x: Tensor, context: Context | None = None
) -> Float[Tensor, "N L"]:
    """Return one sample of q(z|x) for each example."""
    context = given(context)
    parts = [call(encoder, x[rows], context[rows]).sample() for rows in blocks(len(x))]
    return torch.cat(parts)


def kmeans_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Return the shares, means and standard deviations of the k-means clusters of samples."""
    z = torch.from_numpy(to_numpy(z))
    _, member = kmeans(z, num_components, seed)
    one_hot = nn.functional.one_hot(member, num_components).to(z)
    count = one_hot.sum(0).clamp(min=1)
    centre = one_hot.T @ z / count.unsqueeze(-1)
    spread = (one_hot.T @ (z - centre[member]).square() / count.unsqueeze(-1)).sqrt()
    return count / count.sum(), centre, spread.maximum(_floor(z, 0.1))


def em_start(z: Float[Tensor, "N L"], num_components: int, seed: int) -> Start:
    """Fit a mixture of diagonal Gaussians to samples with expectation-maximisation.

    It starts from k-means clusters.

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
        warnings.simplefilter("ignore", ConvergenceWarning)  # training continues from there
        em.fit(samples.astype(np.float64))
    weights, loc, variance = (
        torch.from_numpy(t.astype(samples.dtype)) for t in (em.weights_, em.means_, em.covariances_)
    )
    return weights, loc, variance.sqrt().maximum(_floor(torch.from_numpy(samples), 0.01))


def _floor(z: Tensor, share: float) -> Tensor:
    # No component may collapse onto a single sample.
    return share * z.std(0, correction=0) + torch.finfo(z.dtype).tiny


STARTS = {"data": kmeans_start, "em": em_start}
