"""The resampled prior."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Size, Tensor
from torch.distributions import Distribution

from priory.arguments import at_least
from priory.arrays import Array
from priory.distributions import ResampledDistribution
from priory.networks.calls import Encoder
from priory.networks.context import Context
from priory.networks.mlp import MLP
from priory.priors.base import Prior
from priory.priors.registry import prior_of, rename_states, takes_old_spellings

EVALUATION_SEED = 20_190_416
"""The seed of the normaliser's noise in evaluation: the same for every model and call."""


@takes_old_spellings
class ResampledPrior(Prior):
    r"""Any other prior as a proposal π, resampled with a learned acceptance probability (LARS).

    A sample of the proposal is accepted with a probability a(z) that a small network returns; after
    T - 1 rejections the next is always accepted. With $Z = E_\pi[a(z)]$,

    $$p_T(z) = \big(1 - (1-Z)^{T-1}\big) \frac{a(z)\, \pi(z)}{Z} + (1-Z)^{T-1} \pi(z).$$

    Z has no closed form. In training mode each call estimates it from `num_samples` new samples of
    the proposal, with gradients for the network and the proposal; the logarithm of an estimate is
    too small by about half its squared standard error. In evaluation mode the estimate uses
    `num_evaluation_samples` samples that are the same in every call. The distribution is a
    [`ResampledDistribution`][priory.distributions.ResampledDistribution], with log Z and its
    standard error. Bauer & Mnih smooth the estimates over training steps, and add the z of the
    batch as importance samples. We do neither, because calling a prior changes nothing and the
    density at a point does not depend on the other points: use more samples instead, which are
    cheap compared with an encoder and a decoder.

    Args:
        latent_dim: The number of latent dimensions L.
        proposal: The proposal, a prior that does not need labels: a prior, or its name, or a
            mapping of `kind` (its name) and its arguments.
        truncation: The number of trials T, of which the last is always accepted. A sample needs at
            most T proposals.
        hidden_sizes: The widths of the hidden layers of the network of a(z).
        num_samples: The number of samples for Z in training.
        num_evaluation_samples: The number of samples for Z in evaluation.

    Raises:
        ValueError: If a number is too small, the proposal is unknown or needs labels, or its
            options are invalid.

    Reference:
        Bauer & Mnih, *Resampled Priors for Variational Autoencoders*, AISTATS 2019, section 3.

    Examples:
        >>> from priory import MoGPrior, ResampledPrior
        >>> prior = ResampledPrior(2, proposal=MoGPrior(2, num_components=8)).eval()
        >>> p = prior()
        >>> p.sample((100,)).shape
        torch.Size([100, 2])
        >>> bool(p.log_normaliser_standard_error < 0.01)
        True
    """

    def __init__(
        self,
        latent_dim: int,
        proposal: Prior | Mapping[str, Any] | str = "StandardPrior",
        *,
        truncation: int = 100,
        hidden_sizes: Sequence[int] = (100, 100),
        num_samples: int = 4096,
        num_evaluation_samples: int = 2**16,
    ) -> None:
        super().__init__()
        at_least(1, latent_dim=latent_dim)
        at_least(
            2,
            truncation=truncation,
            num_samples=num_samples,
            num_evaluation_samples=num_evaluation_samples,
        )
        self.latent_dim = latent_dim
        self.truncation = truncation
        self.hidden_sizes = tuple(hidden_sizes)
        self.num_samples = num_samples
        self.num_evaluation_samples = num_evaluation_samples
        self.proposal = prior_of(proposal, latent_dim=latent_dim)
        self.needs_encoder = self.proposal.needs_encoder
        if self.proposal.needs_labels or isinstance(self.proposal, ResampledPrior):
            raise ValueError(
                "expected a proposal that does not need labels and is not resampled itself, got "
                f"{type(self.proposal).__name__}."
            )
        self.network = MLP((latent_dim,), (1,), hidden_sizes)
        rename_states(self)

    def acceptance(self, z: Tensor) -> Tensor:
        """Return the logit of the acceptance probability a(z), `(*points,)`."""
        logit: Tensor = self.network(z)
        return logit.squeeze(-1)

    def forward(
        self, encoder: Encoder | None = None, context: Context | None = None
    ) -> ResampledDistribution:
        """Call the proposal once, estimate Z and return the resampled distribution."""
        proposal: Distribution = self.proposal(encoder, context)
        noise = self._draw(proposal)
        return ResampledDistribution(proposal, self.acceptance, self.truncation, noise)

    def fit_data(self, x: Tensor | Array, encoder: Encoder, context: Context | None = None) -> None:
        """Pass the training data to the proposal."""
        self.proposal.fit_data(x, encoder, context)

    def _draw(self, proposal: Distribution) -> Tensor:
        draw = proposal.rsample if proposal.has_rsample else proposal.sample
        if self.training:
            return draw(Size((self.num_samples,)))
        device = next(self.network.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(EVALUATION_SEED)
            return draw(Size((self.num_evaluation_samples,)))
