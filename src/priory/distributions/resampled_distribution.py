"""A proposal resampled with a learned acceptance probability: truncated rejection sampling."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid

from priory.distributions.monte_carlo_kl import standard_error
from priory.distributions.torch_distributions import Expandable, log_prob_of


class ResampledDistribution(
    Expandable,
    expands={
        "proposal": 0,
        "log_normaliser": 0,
        "log_normaliser_standard_error": 0,
        "_log_rejection": 0,
    },
    keeps=("acceptance", "truncation"),
):
    r"""The distribution of proposals accepted with probability a(z), and the T-th always.

    With the acceptance rate $Z = E_\pi[a(z)]$,

    $$p_T(z) = \big(1 - (1-Z)^{T-1}\big) \frac{a(z)\, \pi(z)}{Z} + (1-Z)^{T-1} \pi(z)
    = \pi(z) \Big[ a(z) \sum_{t=0}^{T-2} (1-Z)^t + (1-Z)^{T-1} \Big],$$

    where the second form, with one term per trial, is the one that is computed: it never divides by
    a small Z. The sampler has exactly this density. Z has no closed form and is estimated from
    samples of the proposal, so the density is an estimate too, with a `log_prob_standard_error`.
    Densities are in nats.

    Args:
        proposal: π(z), with event shape `(L,)`.
        acceptance: A function from z, `(*points, L)`, to the logit of a(z), `(*points,)`.
        truncation: The number of trials T, of which the last is always accepted.
        noise: Samples of the proposal, `(S, *batch, L)`, from which Z is estimated.
        validate_args: As in every torch distribution.

    Attributes:
        log_normaliser: The estimate of log Z, `(*batch,)`.
        log_normaliser_standard_error: Its standard error, `(*batch,)`.

    Raises:
        ValueError: If there are fewer than two trials, or fewer than two samples.

    Reference:
        Bauer & Mnih, *Resampled Priors for Variational Autoencoders*, AISTATS 2019, section 3.

    Examples:
        >>> import torch
        >>> from torch.distributions import Independent, Normal
        >>> from priory.distributions import ResampledDistribution
        >>> proposal = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        >>> noise = proposal.sample((1000,))
        >>> p = ResampledDistribution(proposal, lambda z: 5 * z[..., 0], 100, noise)
        >>> p.sample((500,))[:, 0].mean() > 0.5
        tensor(True)
    """

    arg_constraints = {}  # noqa: RUF012 (torch's own declaration)
    support = constraints.real_vector
    has_rsample = False

    log_normaliser: Tensor
    log_normaliser_standard_error: Tensor

    def __init__(
        self,
        proposal: Distribution,
        acceptance: Callable[[Tensor], Tensor],
        truncation: int,
        noise: Float[Tensor, "S *batch L"],
        validate_args: bool | None = None,
    ) -> None:
        if truncation < 2 or len(noise) < 2:
            raise ValueError(
                "expected at least two trials and two samples for the normaliser, "
                f"got truncation={truncation} and {len(noise)} samples."
            )
        self.proposal, self.acceptance, self.truncation = proposal, acceptance, truncation
        count = len(noise)
        logits = acceptance(noise)
        log_a = logsigmoid(logits)
        self.log_normaliser = log_a.logsumexp(0) - math.log(count)
        ratio = (log_a.detach() - self.log_normaliser.detach()).exp()
        self.log_normaliser_standard_error = standard_error(ratio)
        # The rejection rate has its own logarithm: 1 - Z would round if Z is nearly one.
        log_r = logsigmoid(-logits)
        self._log_rejection = log_r.logsumexp(0) - math.log(count)
        if not noise.requires_grad and torch.is_grad_enabled():
            # Samples without a path to the proposal's parameters: the gradient of an expectation is
            # then its covariance with the score. The value is not changed.
            log_pi = log_prob_of(proposal, noise)
            if log_pi.requires_grad:
                share = (log_r.detach().softmax(0) - 1 / count) * (count / (count - 1))
                score = (share * (log_pi - log_pi.detach())).sum(0)
                self._log_rejection = self._log_rejection + score
        super().__init__(proposal.batch_shape, proposal.event_shape, validate_args=validate_args)

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p_T(z) in nats, of shape `(*sample, *batch)`, with the estimate of Z."""
        if self._validate_args and value.numel():  # torch cannot validate an empty set of vectors
            self._validate_sample(value)
        accepted, forced = self._ways(value)
        return log_prob_of(self.proposal, value) + torch.logaddexp(accepted, forced)

    @torch.no_grad()
    def log_prob_standard_error(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        r"""Return the standard error, in nats, that the estimate of Z leaves in log p_T(z).

        This is $|\partial \log p_T(z) / \partial \log Z|$ times the standard error of log Z. All
        points use the same estimate, so their errors do not average out.
        """
        trial = torch.arange(1, self.truncation - 1).to(self._log_rejection)
        rate, log_rejection = self.log_normaliser.exp(), self._log_rejection
        # The derivatives for Z of the two terms of the density, in the order of the equation.
        power = ((trial - 1) * log_rejection.unsqueeze(-1)).exp()
        less = (trial * power).sum(-1)
        last = (self.truncation - 1) * ((self.truncation - 2) * log_rejection).exp()
        accepted, forced = self._ways(value)
        log_a = logsigmoid(self.acceptance(value))
        slope = (log_a.exp() * less + last) / torch.logaddexp(accepted, forced).exp()
        return slope * rate * self.log_normaliser_standard_error

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw from the proposal until a sample is accepted, at most T times."""
        z = self.proposal.sample(Size((math.prod(sample_shape),)))  # (n, *batch, L)
        pending = torch.ones_like(z[..., 0], dtype=torch.bool)
        rows = torch.arange(len(z), device=z.device)
        for _ in range(self.truncation - 1):
            chance = self.acceptance(z[rows]).sigmoid()
            pending[rows] &= torch.rand_like(chance) >= chance
            rows = pending.unsqueeze(-1).flatten(1).any(1).nonzero().squeeze(-1)
            if len(rows) == 0:
                break
            new = self.proposal.sample(Size((len(rows),)))
            z[rows] = torch.where(pending[rows].unsqueeze(-1), new, z[rows])
        return z.reshape(*sample_shape, *z.shape[1:])

    def _ways(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithms of the two terms in the brackets of the second form."""
        trial = torch.arange(self.truncation - 1).to(self._log_rejection)
        tried = (trial * self._log_rejection.unsqueeze(-1)).logsumexp(-1)
        accepted = logsigmoid(self.acceptance(value)) + tried
        return accepted, ((self.truncation - 1) * self._log_rejection).expand_as(accepted)
