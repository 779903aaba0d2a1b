"""Which latent dimensions does a model use?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from priory.aggregate import aggregated_posterior, marginal_prior
from priory.arrays import Array
from priory.distributions import GaussianMixture, loc_and_scale, marginals_of, widened
from priory.evaluation.measure import Measure
from priory.evaluation.study import Study
from priory.networks.context import Context
from priory.networks.home import taken
from priory.vae import VAE

ACTIVE = 0.01


@dataclass(frozen=True)
class LatentUse:
    r"""How much each latent dimension varies with the data, and how much information it has.

    Attributes:
        variance_of_mean: The variance over data of the posterior's mean, `(L,)`; a dimension is
            active above 0.01. This threshold is for latents with a scale of about one, as under the
            standard prior; other priors may have a different scale.
        information: The mutual information between an example's index and each dimension
            separately, $\frac1N \sum_n KL(q(z_l|x_n) \| q(z_l))$, in nats, `(L,)`, for every prior;
            it cannot exceed log N. Dimensions may share information, so the sum can exceed the
            total.
        information_standard_error: Its Monte Carlo standard error, `(L,)`.
        rate: The mean of $KL(q(z_l|x) \| p(z_l))$ in nats, `(L,)`, in closed form, if the prior is
            a single diagonal Gaussian, so that they sum to the rate; None for any other prior,
            whose rate is not a sum over dimensions.
    """

    variance_of_mean: Float[Tensor, " L"]
    information: Float[Tensor, " L"]
    information_standard_error: Float[Tensor, " L"]
    rate: Float[Tensor, " L"] | None

    @property
    def active_units(self) -> int:
        """The number of active dimensions."""
        return int((self.variance_of_mean > ACTIVE).sum())

    def as_json(self) -> dict[str, Any]:
        """Return the numbers, including the active units."""
        return {**vars(self), "active_units": self.active_units}


@torch.no_grad()
def latent_use(
    vae: VAE,
    x: Tensor | Array,
    *,
    context: Context | None = None,
    prior: Distribution | None = None,
    num_samples: int = 256,
) -> LatentUse:
    r"""Measure which latent dimensions are in use.

    Unit l is active if $\mathrm{Var}_x(E_{q(z|x)}[z_l]) > 0.01$.

    Args:
        vae: The model, in evaluation mode if that matters; its posteriors are diagonal Gaussians.
        x: Data, `(N, *data_shape)`.
        context: The context of these data. The prior is that over all their labels.
        prior: p(z), if it differs.
        num_samples: The number of randomly chosen examples whose samples estimate the information;
            the density of each has all N components.

    Raises:
        TypeError: If the posteriors are not diagonal Gaussians.
        ValueError: If there are fewer than two examples.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016, section 5.2.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import latent_use
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> latent_use(VAE(encoder, decoder, StandardPrior(2)), torch.rand(50, 9)).rate.shape
        torch.Size([2])
    """
    x = taken(x, vae.encoder)
    if len(x) < 2:
        raise ValueError(f"expected at least two examples, got {len(x)}.")
    q = aggregated_posterior(vae.encoder, x, context=context)
    p = marginal_prior(vae, context) if prior is None else prior
    chosen = torch.randperm(len(x), device=q.loc.device)[:num_samples]
    posteriors = Normal(q.loc[chosen], q.scale[chosen], validate_args=False)
    z = posteriors.sample()
    marginals = marginals_of(q)
    assert marginals is not None  # a mixture without a batch shape has marginals
    gain = widened(posteriors.log_prob(z)) - widened(marginals.log_prob(z.unsqueeze(-1)))
    return LatentUse(
        variance_of_mean=widened(q.loc).var(0),
        information=gain.mean(0),
        information_standard_error=gain.std(0) / len(gain) ** 0.5,
        rate=_rate(q, p),
    )


def _rate(q: GaussianMixture, p: Distribution) -> Tensor | None:
    if p.batch_shape or not isinstance(p, Independent):
        return None
    try:
        loc, scale = loc_and_scale(p)
    except TypeError:
        return None
    posteriors, of_prior = (
        Normal(*t, validate_args=False) for t in ((q.loc, q.scale), (loc, scale))
    )
    return widened(kl_divergence(posteriors, of_prior)).mean(0)


def latent_use_of(study: Study) -> LatentUse | None:
    """Measure the latent dimensions in use, if the posteriors are diagonal Gaussians."""
    x, context = study.fitted
    if not study.is_gaussian or len(x) < 2:
        return None
    return study.once("latent use", lambda: latent_use(study.top, x, context=context))


def _of_all(record: Mapping[str, Any]) -> dict[str, str]:
    return {"of": f" of {len(record['latent_use']['variance_of_mean'])}"}


ACTIVE_UNITS = Measure(
    "latent_use.active_units",
    "active units",
    "latent dimensions that vary with the data",
    latent_use_of,
    unit="count",
    form=".0f",
    remark=_of_all,
    of_top=True,
)
