"""Missing values, drawn given the observed ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.blockwise import blocks
from priory.evaluation.decoding import Outside, drawn_within
from priory.networks.calls import exposure_of
from priory.networks.context import Context, given
from priory.networks.home import brought, taken
from priory.vae import VAE

WARM_UP = 10
"""The first 1 / WARM_UP of the steps accept every proposal, so that a chain starts near x."""


@dataclass(frozen=True)
class Imputation:
    """Draws of missing values.

    Attributes:
        x: The data with missing values filled in, once for each draw, `(S, N, *data_shape)`.
        acceptance: The share of proposals that were accepted; 1 if nothing was missing.
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
    r"""Draw missing values given the observed ones, by Metropolis-within-pseudo-Gibbs.

    A chain alternates between z and the missing values. It proposes z* from the encoder and accepts
    it with probability

    $$\min\Big(1, \frac{p(x \mid z^*)\, p(z^*)}{q(z^* \mid x)} \cdot
    \frac{q(z \mid x)}{p(x \mid z)\, p(z)}\Big),$$

    then it draws the missing values from p(x|z). Its draws converge to the model's exact
    conditional, whatever the encoder; with a poor encoder this takes more steps. Each draw has a
    separate chain. The values of an example must be independent given z, as with every decoder in
    this library.

    Args:
        vae: The model, in evaluation mode where that matters.
        x: Data, `(N, *data_shape)`, with any valid value in place of each missing one.
        missing: Which values are missing, with the same shape; categorical blocks are missing as a
            whole.
        num_draws: The number of draws S per example.
        num_steps: The number of steps of each chain.
        context: The context of these data.
        outside: Which values cannot occur in the data; the final draws replace them, as in
            `decode`.

    Raises:
        ValueError: If the shapes differ, a number is below one, or the decoder takes exposures,
            which are unknown for incomplete counts.

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
            raise ValueError(f"expected {name} of at least one, got {number}.")
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
        chain = _Chain(vae, x[of_block], missing[of_block], given(context)[of_block])
        for step in range(num_steps):
            accepted += chain.step(always=step < num_steps // WARM_UP)
        filled[of_draw[rows], of_block] = chain.values(outside).to(filled)
    steps = num_steps * len(chains)
    return Imputation(filled, accepted / steps if steps else 1.0)


class _Chain:
    """The chains of a block of examples, advanced one step at a time."""

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
        """Propose z, accept or reject it, and draw the missing values; return how many accepted."""
        q = self.vae.posterior(self.x, self.context)
        proposed = q.sample()
        weights = [
            likelihood.log_prob(self.x) + self.prior.log_prob(z) - q.log_prob(z)
            for z, likelihood in (
                (proposed, self.vae.likelihood(proposed, self.context)),
                (self.z, self.likelihood),
            )
        ]
        accepted = torch.rand_like(weights[0]).log() < weights[0] - weights[1]
        self.z = torch.where((accepted | always).unsqueeze(-1), proposed, self.z)
        self.likelihood = self.vae.likelihood(self.z, self.context)
        self.x = self.values()
        return float(accepted.sum())
