"""How probable are the data under the model?"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from priory.arrays import Array
from priory.distributions import (
    GaussianMixture,
    JointDistribution,
    top_of,
    top_part,
    widened,
    working_dtype,
)
from priory.evaluation.cost import samples_at_once
from priory.evaluation.nearest_components import NearestComponents, nearest_components
from priory.evaluation.pareto import FEWEST, HEAVY, pareto_k
from priory.networks.context import Context, given
from priory.networks.home import brought, taken
from priory.notebook import html_table
from priory.processes import Processes
from priory.vae import VAE

DATA_AT_ONCE = 64
"""The minimum number of examples in a block; their samples are drawn in several steps instead.

The encoder, and a prior that depends on labels, are called once per block: for a few examples at a
time they would cost more than the samples.
"""

HEAVY_SHARE = 0.1
FALL = 0.05


@dataclass(frozen=True)
class NLL:
    r"""An importance-sampled estimate of −log p(x), in nats, and how far to trust it.

    Attributes:
        per_example: The estimate for each example, `(N,)`.
        num_samples: The number of importance samples S per example.
        effective_sample_size: The number of equal weights that would be as good as those of each
            example, $(\sum_s w_s)^2 / \sum_s w_s^2$, from 1 to S, `(N,)`.
        curve_samples: The numbers of samples of the curve: 1, 2, 5, 10, ..., also S/2, and S.
        curve_per_example: The estimate from that many of the same samples, `(C, N)`.
        pareto_k: The shape of the tail of the weights of some of the examples, `(M,)`; None if not
            requested.
    """

    per_example: Float[Tensor, " N"]
    num_samples: int
    effective_sample_size: Float[Tensor, " N"]
    curve_samples: tuple[int, ...]
    curve_per_example: Float[Tensor, "C N"]
    pareto_k: Float[Tensor, " M"] | None = None

    @property
    def mean(self) -> float:
        """The mean over data."""
        return float(self.per_example.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean over data; NaN for a single example."""
        if len(self.per_example) < 2:
            return math.nan
        return float(self.per_example.std()) / math.sqrt(len(self.per_example))

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """The mean over data for each number of samples; it falls towards the true value."""
        means = widened(self.curve_per_example).mean(1).tolist()
        return tuple(zip(self.curve_samples, means, strict=True))

    @property
    def still_to_fall(self) -> float:
        r"""How much further the curve would fall, in nats, if its bias is proportional to 1/S.

        This equals the fall from S/2 to S samples. It is set to zero if it is within two standard
        errors of zero, and is NaN for a single sample. If the weights have no finite variance, the
        bias falls more slowly, and more remains.
        """
        if self.num_samples < 2:
            return math.nan
        half = self.curve_samples.index(self.num_samples // 2)
        fall = widened(self.curve_per_example[half] - self.curve_per_example[-1])
        fall = fall / (self.num_samples / (self.num_samples // 2) - 1)
        error = float(fall.std()) / math.sqrt(len(fall)) if len(fall) > 1 else 0.0
        mean = float(fall.mean())
        return mean if mean > 2 * error else 0.0

    @property
    def heavy_share(self) -> float | None:
        """The share of examples with k > 0.7; None if k was not requested."""
        k = self.pareto_k
        return None if k is None else int((k > HEAVY).sum()) / max(1, len(k))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The reasons not to trust the estimate, one sentence each; empty if there are none.

        There is one if more than a tenth of the examples have k > 0.7, the curve has more than 0.05
        nats left to fall, or there is a single sample.
        """
        sentences = []
        if self.heavy_share is not None and self.heavy_share > HEAVY_SHARE:
            sentences.append(
                f"The importance weights of {self.heavy_share:.0%} of the examples have too heavy "
                f"a tail (Pareto k above {HEAVY}): the true NLL may be lower by an amount that "
                f"{self.num_samples} samples do not show."
            )
        if self.num_samples < 2:
            sentences.append("With a single importance sample this is the negative ELBO.")
        elif self.still_to_fall > FALL:
            sentences.append(
                f"At {self.num_samples} importance samples the NLL was still falling, with at "
                f"least {self.still_to_fall:.2g} nats to go; use more samples."
            )
        return tuple(sentences)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for `measures.json`, summarised over all examples."""
        sizes, k = widened(self.effective_sample_size), self.pareto_k
        return {
            "mean": self.mean,
            "standard_error": self.standard_error,
            "num_samples": self.num_samples,
            "effective_sample_size": {"median": float(sizes.median()), "least": float(sizes.min())},
            "pareto_k": None
            if k is None
            else {"num_data": len(k), "median": float(k.median()), "heavy": self.heavy_share},
            "curve": [{"num_samples": samples, "nll": value} for samples, value in self.curve],
            "still_to_fall": self.still_to_fall,
            "trustworthy": self.trustworthy,
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "NLL": f"{self.mean:.2f} ± {self.standard_error:.2f} nats",
            "data": len(self.per_example),
            "importance samples": self.num_samples,
            "least effective sample size": float(self.effective_sample_size.min()),
            "warnings": " ".join(self.warnings) or "none",
        }
        return html_table("Negative log-likelihood", rows)

    @property
    def per_datum(self) -> Tensor:
        """The name of `per_example` before version 0.2."""
        return self.per_example

    @property
    def curve_per_datum(self) -> Tensor:
        """The name of `curve_per_example` before version 0.2."""
        return self.curve_per_example

    @property
    def trustworthy(self) -> bool:
        """Whether there is no reason to distrust the estimate."""
        return not self.warnings


@torch.no_grad()
def negative_log_likelihood(
    vae: VAE,
    x: Tensor | Array,
    num_samples: int = 512,
    context: Context | None = None,
    pareto_data: int = 0,
    max_components: int | None = None,
    *,
    processes: Processes | None = None,
) -> NLL:
    r"""Estimate the negative log-likelihood of each example by importance sampling from q(z|x).

    $$-\log p(x) \approx -\log \frac{1}{S} \sum_{s=1}^S
    \frac{p(x \mid z_s)\, p(z_s)}{q(z_s \mid x)}, \qquad z_s \sim q(z \mid x)$$

    On average the estimate is above the true value, by less the more samples there are. The prior
    is called once, or once per block if it depends on labels; many examples are processed at a
    time, with as many of their samples as fit in memory. If the model depends on labels, this is
    the likelihood given the label, $-\log p(x \mid y)$.

    Args:
        vae: The model, in evaluation mode if that matters.
        x: Data, `(N, *data_shape)`.
        num_samples: The number of importance samples S per example.
        context: The context of these data.
        pareto_data: The number of examples, evenly spaced, for which to estimate the shape of the
            tail of the weights (about a millisecond each; needs ArviZ and at least 25 samples).
        max_components: Use at most this many components of a mixture for an example, those that
            explain its posterior best; None uses all. Leaving out components can only raise the
            NLL, so it stays an upper bound; with tens of thousands of components this saves hours.
        processes: Processes among which the importance samples are divided; each of them gets the
            whole estimate. By default only this one.

    Raises:
        ValueError: If there are no data, or `num_samples` or `max_components` is below one.

    Reference:
        Burda et al., *Importance Weighted Autoencoders*, ICLR 2016; Rezende et al., 2014,
        appendix E; for k, Vehtari et al., *Pareto Smoothed Importance Sampling*, 2024.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import negative_log_likelihood
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> nll = negative_log_likelihood(vae, torch.zeros(5, 9))
        >>> nll.per_example.shape, nll.curve_samples
        (torch.Size([5]), (1, 2, 5, 10, 20, 50, 100, 200, 256, 500, 512))
    """
    x = taken(x, vae.encoder)
    if len(x) == 0:
        raise ValueError("expected at least one example, got none.")
    if num_samples < 1:
        raise ValueError(f"expected at least one sample of z, got num_samples={num_samples}.")
    if max_components is not None and max_components < 1:
        raise ValueError(f"expected at least one component, got max_components={max_components}.")
    processes, turns = processes or Processes.alone(), count()
    processes.get_in_step(brought(x[:1], vae.encoder).device)
    first = vae.prior_distribution(given(context)[:1])
    prior = None if first.batch_shape else first
    at_once = samples_at_once(vae, x, context)
    step = min(num_samples, max(1, at_once // DATA_AT_ONCE))
    size = max(1, at_once // step)
    stops = _stops(num_samples)
    kept = pareto_data if num_samples >= FEWEST else 0
    chosen = torch.linspace(0, len(x) - 1, min(kept, len(x))).long()
    sums, tails = [], []
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        block_context = given(context)[rows]
        p = vae.prior_distribution(block_context) if prior is None else prior
        of_block = chosen[(chosen >= start) & (chosen < start + size)] - start
        block = _Block(vae, x[rows], block_context, p, of_block, max_components)
        sums.append(block.sums(stops, step, processes, turns))
        tails.append(torch.cat(block.tail))
    total, squares = (
        torch.stack([*accumulate(of_steps, torch.logaddexp)])  # up to each stop
        for of_steps in processes.every(torch.cat(sums, -1)).logsumexp(0)
    )
    curve = (total.new_tensor(stops).log().unsqueeze(-1) - total).to(block.dtype)
    return NLL(
        per_example=curve[-1],
        num_samples=num_samples,
        effective_sample_size=(2 * total[-1] - squares[-1]).exp().to(block.dtype),
        curve_samples=stops,
        curve_per_example=curve,
        pareto_k=pareto_k(processes.sum(torch.cat(tails, 1))) if len(chosen) else None,
    )


class _Block:
    """Some examples, whose weights are drawn in steps."""

    def __init__(
        self,
        vae: VAE,
        x: Tensor,
        context: Context | None,
        prior: Distribution,
        chosen: Tensor,
        max_components: int | None,
    ) -> None:
        self.vae, self.x = vae, brought(x, vae.encoder)
        self.context = vae.with_exposure(self.x, context)
        self.chosen = chosen.to(self.x.device)
        self.dtype = torch.promote_types(self.x.dtype, torch.float32)
        self.posterior = vae.posterior(x, context)
        self.prior = prior
        self.nearest: NearestComponents | None = None
        top = top_of(prior)
        if max_components is not None and _is_larger(top, max_components):
            self.nearest = nearest_components(top, top_of(self.posterior), max_components)
        self.tail: list[Tensor] = []  # the log-weights of the chosen examples, (S, M) in all

    def sums(
        self, stops: tuple[int, ...], step: int, processes: Processes, turns: Iterator[int]
    ) -> Tensor:
        """Return the log-sums of the weights and of their squares between stops, `(2, C, B)`.

        They are those of this process: all processes draw the noise of each step, and one computes
        weights from it.
        """
        shape, device = (2, len(stops), len(self.x)), self.x.device
        sums = torch.full(shape, -math.inf, dtype=working_dtype(device), device=device)
        for segment, (before, stop) in zip(sums.unbind(1), pairwise((0, *stops)), strict=True):
            for start in range(before, stop, step):
                z = self.posterior.sample(torch.Size((min(step, stop - start),)))
                self.dtype = torch.promote_types(self.dtype, z.dtype)
                weights = sums.new_zeros(z.shape[:-1])
                if next(turns) % processes.count == processes.rank:
                    weights = widened(self._log_weights(z))
                    both = torch.stack([weights, 2 * weights]).logsumexp(1)
                    segment.copy_(torch.logaddexp(segment, both))
                self.tail.append(weights[:, self.chosen])
        return sums

    def _log_weights(self, z: Tensor) -> Tensor:
        log_likelihood = self.vae.likelihood(z, self.context).log_prob(self.x)
        return log_likelihood + self._log_prior(z) - self.posterior.log_prob(z)

    def _log_prior(self, z: Tensor) -> Tensor:
        if self.nearest is None:
            return self.prior.log_prob(z)
        below = self.prior.terms_below(z) if isinstance(self.prior, JointDistribution) else ()
        return sum(below, self.nearest.log_prob(top_part(self.prior, z)))


def _is_larger(prior: Distribution, components: int) -> TypeGuard[GaussianMixture]:
    return (
        isinstance(prior, GaussianMixture)
        and not prior.batch_shape
        and prior.logits.shape[-1] > components
    )


def _stops(num_samples: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, ..., also S/2, up to S."""
    digits = range(len(str(num_samples)))
    steps = {lead * 10**zeros for zeros in digits for lead in (1, 2, 5)}
    steps |= {max(1, num_samples // 2), num_samples}
    return tuple(sorted(step for step in steps if step <= num_samples))
