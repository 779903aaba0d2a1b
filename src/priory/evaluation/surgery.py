"""Where does the rate of an ELBO go: into information about the data, or into a poor prior?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from priory.aggregate import aggregated_posterior, marginal_prior
from priory.arrays import Array
from priory.distributions import GaussianMixture, marginals_of, widened
from priory.evaluation.cost import samples_at_once
from priory.evaluation.cross_entropy import Estimate
from priory.evaluation.measure import DOUBTFUL, Measure
from priory.evaluation.study import Study
from priory.evaluation.top_level import log_prob_given_top, top_level
from priory.networks.context import Context, given
from priory.networks.divided_encoder import DividedEncoder
from priory.networks.home import brought, taken
from priory.processes import Processes
from priory.vae import VAE

NEAR_THE_CEILING = 0.1


@dataclass(frozen=True)
class Dimensions:
    r"""The marginal KL split by dimensions, for some of the samples, in nats.

    $$KL(q(z) \| p(z)) = \underbrace{KL\big(q(z) \| \textstyle\prod_l q_l(z_l)\big)}_\text{total
    correlation} + \sum_l KL(q_l \| p_l) - \underbrace{E_{q(z)}\Big[\log \frac{p(z)}{\prod_l
    p_l(z_l)}\Big]}_\text{dependence of the prior}$$

    The last term is zero for a prior whose dimensions are independent.

    Attributes:
        total_correlation: How far the dimensions of q(z) are from independence.
        kl: $KL(q_l \| p_l)$ of each dimension, `(L,)`; None, like the next, unless the prior is a
            mixture of Gaussians, whose marginals are known.
        kl_standard_error: Its Monte Carlo standard error, `(L,)`.
        prior_dependence: What the prior gains from dependence between its dimensions.
        num_samples: The number of samples of q(z) for each.
    """

    total_correlation: Estimate
    kl: Float[Tensor, " L"] | None
    kl_standard_error: Float[Tensor, " L"] | None
    prior_dependence: Estimate | None
    num_samples: int


@dataclass(frozen=True)
class Surgery:
    r"""The terms of the ELBO, in nats per example, with Monte Carlo standard errors.

    Attributes:
        reconstruction: $E[\log p(x|z)]$.
        mutual_information: The information between the index of an example and its code, from 0 to
            log N.
        marginal_kl: $KL(q(z) \| p(z))$.
        elbo: Reconstruction minus both, from the same samples.
        num_data: The number of data N.
        dimensions: The marginal KL split further; None if not requested.
    """

    reconstruction: Estimate
    mutual_information: Estimate
    marginal_kl: Estimate
    elbo: Estimate
    num_data: int
    dimensions: Dimensions | None

    @property
    def ceiling(self) -> float:
        """The upper limit of the mutual information, log N."""
        return math.log(self.num_data)

    @property
    def at_the_ceiling(self) -> bool:
        """Whether the mutual information is within 0.1 nats of log N.

        The posteriors of the data then hardly overlap. The information that a code would have about
        more data can be any larger number, and the marginal KL is that of a set of islands.
        """
        return self.ceiling - self.mutual_information.value < NEAR_THE_CEILING

    @property
    def warnings(self) -> tuple[str, ...]:
        """The reason not to trust the numbers, in a sentence; empty if there is none."""
        if not self.at_the_ceiling:
            return ()
        return (
            f"The mutual information is within {NEAR_THE_CEILING} nats of log N = "
            f"{self.ceiling:.2f}, its upper limit: the true value may be any larger number, and "
            "the marginal KL says little.",
        )


@torch.no_grad()
def surgery(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 1,
    *,
    context: Context | None = None,
    prior: Distribution | None = None,
    dimension_samples: int = 256,
    processes: Processes | None = None,
) -> Surgery:
    r"""Split the ELBO of data into its terms, with the exact aggregated posterior of these data.

    $$\frac1N \sum_n \text{ELBO}(x_n) = \underbrace{\frac1N \sum_n E_{q(z|x_n)}[\log p(x_n|z)]
    }_\text{reconstruction} - \underbrace{\frac1N \sum_n KL(q(z|x_n) \| q(z))}_\text{mutual
    information} - \underbrace{KL(q(z) \| p(z))}_\text{marginal KL}, \qquad
    q(z) = \frac1N \sum_n q(z|x_n)$$

    All three are estimated from the same samples, so the identity is exact; the density of q(z) has
    all N components, and is computed in blocks. A better prior changes only the last term. With
    several levels of latents, z is the top: mutual information and marginal KL are those of the
    top, and the rates of the levels below are subtracted from the reconstruction.

    Args:
        vae: The model, in evaluation mode where that matters; its posteriors are diagonal
            Gaussians.
        x: Data, `(N, *data_shape)`.
        num_samples: Samples of z per example; the time is proportional to N² times this.
        context: What is known of these data. The prior is that over all their labels.
        prior: p(z), where it is another.
        dimension_samples: The number of samples of q(z) for splitting by dimensions, from different
            examples if there are enough; zero for none.
        processes: Processes among which the work is divided; by default only this one.

    Raises:
        TypeError: If the posteriors are no diagonal Gaussians.
        ValueError: If there are no data, or `num_samples` is below one.

    Reference:
        Hoffman & Johnson, *ELBO surgery*, NIPS Workshop in Advances in Approximate Bayesian
        Inference, 2016; Chen et al., *Isolating Sources of Disentanglement in VAEs*, NeurIPS 2018,
        equation 2.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import surgery
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> found = surgery(vae, torch.rand(50, 9).round())
        >>> found.mutual_information.value < found.ceiling
        True
    """
    if num_samples < 1:
        raise ValueError(f"expected at least one sample of z, got num_samples={num_samples}.")
    x = taken(x, vae.encoder)
    context = vae.with_exposure(x, context)
    processes = processes or Processes.alone()
    top = top_level(vae)
    q = aggregated_posterior(DividedEncoder(top.encoder, processes), x, context=context)
    processes.get_in_step(q.loc.device)
    p = marginal_prior(top, context) if prior is None else prior
    posteriors = Independent(Normal(q.loc, q.scale, validate_args=False), 1)
    size = max(1, samples_at_once(vae, x, context) // num_samples)
    blocks = zip(q.loc.split(size), q.scale.split(size), strict=True)
    z = torch.cat([torch.normal(*(t.expand(num_samples, *t.shape) for t in b)) for b in blocks], 1)
    log_own, terms = widened(posteriors.log_prob(z)), widened(z.new_zeros(3, *z.shape[:2]))
    share = processes.share(len(x))
    for start in range(share.start, share.stop, size):
        rows = slice(start, min(start + size, share.stop))
        here = brought(x[rows], vae.encoder)
        log_likelihood = log_prob_given_top(vae, z[:, rows], here, given(context)[rows])
        densities = log_likelihood, q.log_prob(z[:, rows]), p.log_prob(z[:, rows])
        terms[..., rows] = torch.stack([widened(density) for density in densities])
    reconstruction, log_q, log_p = processes.sum(terms)
    return Surgery(
        reconstruction=monte_carlo_mean(reconstruction),
        mutual_information=monte_carlo_mean(log_own - log_q),
        marginal_kl=monte_carlo_mean(log_q - log_p),
        elbo=monte_carlo_mean(reconstruction - log_own + log_p),
        num_data=len(x),
        dimensions=_dimensions(q, p, z, log_q, log_p, dimension_samples),
    )


def _dimensions(
    q: GaussianMixture, p: Distribution, z: Tensor, log_q: Tensor, log_p: Tensor, num_samples: int
) -> Dimensions | None:
    if num_samples < 1:
        return None
    by_data = torch.randperm(
        z.shape[1], device=z.device
    )  # one sample of each example, then another
    chosen = torch.arange(z.shape[0], device=z.device)[:, None] * z.shape[1] + by_data
    chosen = chosen.flatten()[:num_samples]
    z, log_q, log_p = z.flatten(0, 1)[chosen], log_q.flatten()[chosen], log_p.flatten()[chosen]
    of_q, of_p = _marginal_densities(q, z), _marginal_densities(p, z)
    assert of_q is not None  # a mixture without a batch shape has marginals
    correlation = monte_carlo_mean((log_q - of_q.sum(-1)).unsqueeze(0))
    if of_p is None:
        return Dimensions(correlation, None, None, None, len(z))
    ratio = of_q - of_p  # (M, L)
    return Dimensions(
        total_correlation=correlation,
        kl=ratio.mean(0),
        kl_standard_error=ratio.std(0) / math.sqrt(len(z)),
        prior_dependence=monte_carlo_mean((log_p - of_p.sum(-1)).unsqueeze(0)),
        num_samples=len(z),
    )


def _marginal_densities(distribution: Distribution, z: Tensor) -> Tensor | None:
    marginals = marginals_of(distribution)
    return None if marginals is None else widened(marginals.log_prob(z.unsqueeze(-1)))


def monte_carlo_mean(values: Float[Tensor, "S N"]) -> Estimate:
    r"""Return the mean over data of the means over samples, with its Monte Carlo standard error.

    The data are fixed, and the samples are the only noise: the error is $\frac{1}{N} \sqrt{\sum_n
    s_n^2 / S}$ with the variance $s_n^2$ over the samples of an example. With one sample per
    example, it is the standard error over all of them, which includes the differences between
    examples and is too large.

    Args:
        values: S values for each of N data.

    Examples:
        >>> import torch
        >>> from priory.evaluation.surgery import monte_carlo_mean
        >>> print(monte_carlo_mean(torch.tensor([[1.0, 5.0], [1.0, 5.0]])))
        3.000 ± 0.000
    """
    values = widened(values)
    samples, data = values.shape
    if samples > 1:
        error = math.sqrt(float(values.var(0).sum()) / samples) / data
    else:
        error = float(values.std()) / math.sqrt(data) if data > 1 else math.nan
    return Estimate(float(values.mean()), error)


def surgery_of(study: Study) -> Surgery | None:
    """Split the ELBO of training (or else held-out) data; None without Gaussian posteriors."""
    if not study.is_gaussian:
        return None
    x, context = study.fitted
    samples = max(1, min(10, 10_000 // len(x)))
    return study.once(
        "surgery",
        lambda: surgery(study.vae, x, samples, context=context, processes=study.processes),
    )


def _about(record: Mapping[str, Any]) -> dict[str, str]:
    data = "held-out examples" if record.get("num_training", 1) is None else "training data"
    ceiling = math.log(record["surgery"]["num_data"])
    note = f"for {data}, where mutual information is at most log N = {ceiling:.2f}"
    if ceiling - record["surgery"]["mutual_information"]["value"] >= NEAR_THE_CEILING:
        return {"note": note}
    return {"mark": DOUBTFUL, "note": f"{note}; † so close to the limit that this says little"}


_term = partial(
    Measure,
    of_top=True,
    compute=surgery_of,
    unit="nats",
    covers="over samples of z, for the data as they are",
    remark=_about,
    quick=True,
)
MUTUAL_INFORMATION = _term(
    "surgery.mutual_information", "mutual information", "how much a code says about its example"
)
MARGINAL_KL = _term(
    "surgery.marginal_kl",
    "marginal KL(q(z) ‖ p(z))",
    "what a better prior could gain",
    better="lower",
)
