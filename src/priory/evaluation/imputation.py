"""What are missing values, given those that are there?"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.blockwise import blocks
from priory.evaluation.decoding import Outside, drawn_within
from priory.networks.context import Context, exposure_of, given
from priory.networks.home import brought, taken
from priory.vae import VAE

WARM_UP = 10
"""One in so many steps, the first, take what is proposed, so that a chain starts where x lies."""


@dataclass(frozen=True)
class Imputation:
    """Draws of missing values.

    Attributes:
        x: The data with missing values filled in, once for each draw, `(S, N, *data_shape)`.
        acceptance: The share of proposals that were taken; 1 where nothing was missing.
    """

    x: Tensor
    acceptance: float


@torch.no_grad()
def impute(
    vae: VAE,
    x: Tensor | Array,
    missing: Bool[Tensor, "N *shape"] | Array,
    num_draws: int = 1,
    num_steps: int = 500,
    context: Context | None = None,
    outside: Outside | None = None,
) -> Imputation:
    r"""Draw missing values given the others, by Metropolis within pseudo-Gibbs.

    A chain alternates between z and the missing values. It proposes z* from the encoder and takes
    it with probability

    $$\min\Big(1, \frac{p(x \mid z^*)\, p(z^*)}{q(z^* \mid x)} \cdot
    \frac{q(z \mid x)}{p(x \mid z)\, p(z)}\Big),$$

    then it draws the missing values from p(x|z). Its draws tend to the model's own conditional,
    however good the encoder; a poor encoder takes more steps. Each draw has a chain of its own. The
    values of an example must be independent given z, as those of every decoder of this library are.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Data, `(N, *data_shape)`, with any valid value in place of a missing one.
        missing: Which values are missing, of the same shape; a categorical block as a whole.
        num_draws: The number of draws S of each example.
        num_steps: The steps of each chain.
        context: The context of these data.
        outside: Which values the data could not hold; in the end they are drawn again, as
            `decode` does.

    Raises:
        ValueError: If the shapes differ, a number is below one, or the decoder takes exposures,
            which are not known of incomplete counts.

    Reference:
        Mattei & Frellsen, *Leveraging the Exact Likelihood of Deep Latent Variable Models*, NeurIPS
        2018, section 3.3, algorithm 1.

    Examples:
        >>> import torch
        >>> from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, StandardPrior
        >>> from priory.evaluation import impute
        >>> encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
        >>> vae = VAE(encoder, decoder, StandardPrior(latent_dim=2))
        >>> x, missing = torch.ones(5, 9), torch.arange(9) > 6
        >>> draws = impute(vae, x, missing.expand(5, 9), num_draws=3, num_steps=10).x
        >>> draws.shape, bool((draws[..., :7] == 1).all())
        (torch.Size([3, 5, 9]), True)
    """
    x, missing = taken(x, vae.encoder), as_tensor(missing)
    if missing.shape != x.shape:
        raise ValueError(f"expected missing of shape {tuple(x.shape)}, got {tuple(missing.shape)}.")
    for name, number in {"num_draws": num_draws, "num_steps": num_steps}.items():
        if number < 1:
            raise ValueError(f"expected at least one of {name}, got {number}.")
    if exposure_of(vae.decoder) is not None:
        raise ValueError(
            "expected a decoder without exposures, as the totals of incomplete counts are not "
            "known, got one that takes them; train with --exposure none."
        )
    (incomplete,) = missing.flatten(1).any(1).nonzero(as_tuple=True)
    filled = x.expand(num_draws, *x.shape).clone()
    chains = incomplete.repeat(num_draws)
    of_draw = torch.arange(num_draws).repeat_interleave(len(incomplete))
    accepted = 0.0
    for rows in blocks(len(chains), x[:1].numel()):
        of_block = chains[rows]
        known = given(context)[of_block]
        chain = _Chain(vae, x[of_block], missing[of_block], known)
        for step in range(num_steps):
            accepted += chain.step(always=step < num_steps // WARM_UP)
        filled[of_draw[rows], of_block] = chain.values(outside).to(filled)
    steps = num_steps * len(chains)
    return Imputation(filled, accepted / steps if steps else 1.0)


class _Chain:
    """Chains of a block of examples, a step at a time."""

    def __init__(self, vae: VAE, x: Tensor, missing: Tensor, context: Context) -> None:
        self.vae, self.x = vae, brought(x, vae.encoder)
        self.missing, self.context = missing.to(self.x.device), context.to(self.x.device)
        self.prior = vae.prior_distribution(self.context)
        self.z = vae.posterior(self.x, self.context).sample()
        self.likelihood = vae.likelihood(self.z, self.context)
        self.x = self.values()

    def values(self, outside: Outside | None = None) -> Tensor:
        """Draw the missing values given z."""
        return torch.where(self.missing, drawn_within(self.likelihood, outside), self.x)

    def step(self, always: bool) -> float:
        """Propose z from the encoder, take it or not, and draw the missing values; say how many."""
        q = self.vae.posterior(self.x, self.context)
        proposed = q.sample()
        weights = [
            likelihood.log_prob(self.x) + self.prior.log_prob(z) - q.log_prob(z)
            for z, likelihood in (
                (proposed, self.vae.likelihood(proposed, self.context)),
                (self.z, self.likelihood),
            )
        ]
        taken = torch.rand_like(weights[0]).log() < weights[0] - weights[1]
        self.z = torch.where((taken | always).unsqueeze(-1), proposed, self.z)
        self.likelihood = self.vae.likelihood(self.z, self.context)
        self.x = self.values()
        return float(taken.sum())
