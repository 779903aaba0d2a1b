"""The product of one-dimensional Gaussian mixtures that printed listings use for a mixture."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.distributions import constraints

from priory.distributions.mixture.gaussian_mixture import GaussianMixture
from priory.distributions.torch_distributions import Expandable, is_exporting


class FactorizedGaussianMixture(Expandable, expands={"_marginals": 1}):
    r"""A product over dimensions of one-dimensional mixtures that share their weights.

    $$p(z) = \prod_{l=1}^L \sum_{k=1}^K w_k \, \mathcal{N}(z_l \mid \mu_{kl}, \sigma_{kl}^2)$$

    This is what code computes that takes the log-sum-exp over components in each dimension and then
    sums over dimensions. Every dimension has its own component, so there is also mass at the $K^L$
    crossings of the components. Use it to evaluate models trained that way; the mixture over whole
    vectors is [`GaussianMixture`][priory.distributions.GaussianMixture].

    Args:
        logits: Unnormalised log-weights, `(*batch, K)`.
        loc: Means, `(*batch, K, L)`.
        scale: Standard deviations, `(*batch, K, L)`.
        validate_args: As in every torch distribution.

    Raises:
        ValueError: If the shapes do not match, a scale is not positive or no weight is positive.

    Reference:
        The density of listings 4.7 and 4.8 in Tomczak, *Deep Generative Modeling*, 2022.

    Examples:
        >>> import torch
        >>> from priory import FactorizedGaussianMixture
        >>> p = FactorizedGaussianMixture(torch.zeros(3), torch.randn(3, 2), torch.ones(3, 2))
        >>> p.log_prob(p.sample((5,))).shape
        torch.Size([5])
    """

    arg_constraints = {}  # noqa: RUF012 (the marginals check them)
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        logits: Float[Tensor, "..."],
        loc: Float[Tensor, "..."],
        scale: Float[Tensor, "..."],
        validate_args: bool | None = None,
    ) -> None:
        joint = GaussianMixture(logits, loc, scale, validate_args=validate_args)
        logits, loc, scale = joint._unexpanded
        self._marginals = GaussianMixture(  # batch (*batch, L), event (1,)
            logits.unsqueeze(-2), loc.mT.unsqueeze(-1), scale.mT.unsqueeze(-1), validate_args=False
        )
        if is_exporting():
            validate_args = False
        super().__init__(joint.batch_shape, joint.event_shape, validate_args=validate_args)

    @property
    def logits(self) -> Float[Tensor, "*batch K"]:
        """Normalised log-weights."""
        return self._marginals.logits[..., 0, :]

    @property
    def loc(self) -> Float[Tensor, "*batch K L"]:
        """Means."""
        return self._marginals.loc.squeeze(-1).mT

    @property
    def scale(self) -> Float[Tensor, "*batch K L"]:
        """Standard deviations."""
        return self._marginals.scale.squeeze(-1).mT

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args and value.numel():  # torch cannot validate an empty set of vectors
            self._validate_sample(value)
        return self._marginals.log_prob(value.unsqueeze(-1)).sum(-1)

    def responsibilities(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "... L K"]:
        r"""Return $p(k \mid z_l)$: each dimension has its own component."""
        if self._validate_args and value.numel():  # torch cannot validate an empty set of vectors
            self._validate_sample(value)
        return self._marginals.responsibilities(value.unsqueeze(-1))

    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw a component for every dimension, then each coordinate from its component."""
        return self._marginals.sample(sample_shape).squeeze(-1)

    @property
    def mean(self) -> Float[Tensor, "*batch L"]:
        r"""The mean, $\sum_k w_k \mu_k$."""
        return self._marginals.mean.squeeze(-1)

    @property
    def variance(self) -> Float[Tensor, "*batch L"]:
        r"""The variance of each dimension, $\sum_k w_k (\sigma_k^2 + (\mu_k - \bar\mu)^2)$."""
        return self._marginals.variance.squeeze(-1)
