"""The mixture of diagonal Gaussians, over whole vectors."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, constraints

from priory.distributions import mixture_kernel


class GaussianMixture(Distribution):
    r"""A mixture of diagonal Gaussians over vectors $z \in \mathbb{R}^L$.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2),
    \qquad w = \mathrm{softmax}(\text{logits})$$

    The density of a component is that of the whole vector: dimensions are summed inside a component
    before components are summed. Densities are in nats.

    Args:
        logits: Unnormalised log-weights, `(*batch, K)`. A weight of zero is a logit of `-inf`.
        loc: Means, `(*batch, K, L)`.
        scale: Standard deviations, `(*batch, K, L)`.
        validate_args: As for every distribution of torch.

    Attributes:
        logits: Normalised log-weights, `(*batch, K)`.
        loc: Means, `(*batch, K, L)`.
        scale: Standard deviations, `(*batch, K, L)`.

    Raises:
        ValueError: If the shapes do not fit together, a scale is not positive or no weight is.

    Reference:
        Tomczak, *Deep Generative Modeling*, 2022, section 4.4.1, equation 4.47.

    Examples:
        >>> import torch
        >>> from priory import GaussianMixture
        >>> p = GaussianMixture(torch.zeros(3), loc=torch.randn(3, 2), scale=torch.ones(3, 2))
        >>> p.log_prob(p.sample((5,))).shape
        torch.Size([5])

    """

    arg_constraints = {  # noqa: RUF012 (torch's own declaration)
        "logits": constraints.real_vector,
        "loc": constraints.independent(constraints.real, 2),
        "scale": constraints.independent(constraints.positive, 2),
    }
    support = constraints.real_vector
    has_rsample = False

    logits: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(
        self,
        logits: Float[Tensor, "..."],
        loc: Float[Tensor, "..."],
        scale: Float[Tensor, "..."],
        validate_args: bool | None = None,
    ) -> None:
        if logits.dim() < 1 or loc.dim() < 2 or scale.dim() < 2:
            raise ValueError(
                "expected logits of shape (*batch, K) and loc and scale of shape (*batch, K, L), "
                f"got {tuple(logits.shape)}, {tuple(loc.shape)} and {tuple(scale.shape)}; "
                "put the components in the dimension before the last."
            )
        if loc.shape != scale.shape:  # an expansion that changes nothing still costs a step
            loc, scale = torch.broadcast_tensors(loc, scale)
        logits = logits.log_softmax(-1)
        if logits.shape != loc.shape[:-1]:
            shape = torch.broadcast_shapes(logits.shape, loc.shape[:-1])
            logits = logits.expand(shape)
            loc, scale = (t.expand(*shape, -1) for t in (loc, scale))
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(loc.shape[:-2], loc.shape[-1:], validate_args=validate_args)

    def expand(
        self, batch_shape: Sequence[int], _instance: "GaussianMixture | None" = None
    ) -> "GaussianMixture":
        """Return the same mixture with its batch dimensions expanded to `batch_shape`."""
        new = type(self).__new__(type(self)) if _instance is None else _instance
        batch = Size(batch_shape)
        new.logits = self.logits.expand(*batch, -1)
        new.loc = self.loc.expand(*batch, -1, -1)
        new.scale = self.scale.expand(*batch, -1, -1)
        super(GaussianMixture, new).__init__(batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args:
            self._validate_sample(value)
        return mixture_kernel.log_prob(value, self.logits, self.loc, self.scale)

    def responsibilities(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "... K"]:
        r"""Return the posterior over components, $p(k \mid z) = w_k p_k(z) / p(z)$."""
        if self._validate_args:
            self._validate_sample(value)
        joint = mixture_kernel.component_log_prob(value, self.logits, self.loc, self.scale)
        return joint.softmax(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw a component by its weight, then a vector from that component alone."""
        batch, count = self.batch_shape, Size(sample_shape).numel()
        if count == 0:  # which multinomial refuses
            return self.loc.new_empty(*sample_shape, *batch, *self.event_shape)
        weights = self.logits.exp().reshape(-1, self.logits.shape[-1])
        component = torch.multinomial(weights, count, replacement=True)  # (batch, count)
        row = torch.arange(len(weights), device=component.device).unsqueeze(-1)
        loc = self.loc.reshape(-1, *self.loc.shape[-2:])[row, component]
        scale = self.scale.reshape(-1, *self.scale.shape[-2:])[row, component]
        z = torch.addcmul(loc, torch.randn_like(loc), scale)  # (batch, count, L)
        return z.transpose(0, 1).reshape(*sample_shape, *batch, *self.event_shape)

    @property
    def mean(self) -> Float[Tensor, "*batch L"]:
        r"""The mean, $\sum_k w_k \mu_k$."""
        return (self.logits.exp().unsqueeze(-1) * self.loc).sum(-2)

    @property
    def variance(self) -> Float[Tensor, "*batch L"]:
        r"""The variance of each dimension, $\sum_k w_k (\sigma_k^2 + (\mu_k - \bar\mu)^2)$."""
        spread = self.scale.square() + (self.loc - self.mean.unsqueeze(-2)).square()
        return (self.logits.exp().unsqueeze(-1) * spread).sum(-2)
