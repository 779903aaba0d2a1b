"""The mixture of diagonal Gaussians, over whole vectors."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import constraints

from priory.distributions.mixture import kernel
from priory.distributions.mixture.blocks import widened
from priory.distributions.torch_distributions import Expandable, is_exporting


class GaussianMixture(
    Expandable, expands={"logits": 1, "loc": 2, "scale": 2}, keeps=("_unexpanded",)
):
    r"""A mixture of diagonal Gaussians over vectors $z \in \mathbb{R}^L$.

    $$p(z) = \sum_{k=1}^K w_k \, \mathcal{N}(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2),
    \qquad w = \mathrm{softmax}(\text{logits})$$

    The density of a component is that of the whole vector: dimensions are summed inside a component
    before summing over components. Densities are in nats.

    Arguments broadcast. An argument without a batch dimension is shared along it and stored once: a
    batch of weights, `(B, K)`, over one set of components, `(K, L)`, costs the same as one mixture.

    Args:
        logits: Unnormalised log-weights, `(*batch, K)`. A logit of `-inf` is a weight of zero.
        loc: Means, `(*batch, K, L)`.
        scale: Standard deviations, `(*batch, K, L)`.
        validate_args: As in every torch distribution.

    Attributes:
        logits: Normalised log-weights, `(*batch, K)`.
        loc: Means, `(*batch, K, L)`.
        scale: Standard deviations, `(*batch, K, L)`.

    Raises:
        ValueError: If the shapes do not match, a scale is not positive or no weight is positive.

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
        if loc.shape != scale.shape:  # an expansion that changes nothing still costs time
            loc, scale = torch.broadcast_tensors(loc, scale)
        logits = logits.log_softmax(-1)
        self.logits, self.loc, self.scale = self._unexpanded = logits, loc, scale
        if logits.shape == loc.shape[:-1]:
            shape = logits.shape
        else:
            shape = torch.broadcast_shapes(logits.shape, loc.shape[:-1])
        if (
            0 in shape or is_exporting()
        ):  # torch cannot validate an empty set of vectors, or trace a validation
            validate_args = False
        super().__init__(Size(shape[:-1]), Size(loc.shape[-1:]), validate_args=validate_args)
        if logits.shape != loc.shape[:-1]:
            self.logits = logits.expand(shape)
            self.loc, self.scale = (t.expand(*shape, -1) for t in (loc, scale))

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, of shape `(*sample, *batch)`."""
        if self._validate_args and value.numel():  # torch refuses to check no vectors
            self._validate_sample(value)
        density = kernel.log_prob(value, *self._unexpanded)
        if self.batch_shape:
            density = density.expand(torch.broadcast_shapes(density.shape, self.batch_shape))
        return density

    def responsibilities(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "... K"]:
        r"""Return the posterior over components, $p(k \mid z) = w_k p_k(z) / p(z)$."""
        if self._validate_args and value.numel():  # torch refuses to check no vectors
            self._validate_sample(value)
        share = kernel.component_log_prob(value, *self._unexpanded).softmax(-1)
        return share.expand(torch.broadcast_shapes(share.shape, (*self.batch_shape, 1)))

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw a component by its weight, then a vector from that component."""
        return self.drawn(sample_shape, self.logits, self.parameters_of)

    def drawn(
        self,
        sample_shape: Sequence[int],
        logits: Tensor,
        parameters_of: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> Tensor:
        """Return samples by weights, `(*batch, K)`, from the components that a function returns."""
        batch, count = self.batch_shape, math.prod(sample_shape)
        if 0 in (count, *batch):  # multinomial refuses this
            return self.loc.new_empty(*sample_shape, *batch, *self.event_shape)
        weights = logits.exp().reshape(-1, logits.shape[-1])
        component = torch.multinomial(weights, count, replacement=True)  # (batch, count)
        loc, scale = parameters_of(component.reshape(*batch, count))
        z = torch.addcmul(loc, torch.randn_like(loc), scale)  # (*batch, count, L)
        return z.movedim(-2, 0).reshape(*sample_shape, *batch, *self.event_shape)

    def parameters_of(self, component: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means and scales at positions, `(*batch, count)`, of the components."""
        batch = self.batch_shape
        rows = [
            torch.arange(size, device=component.device).view(-1, *(1,) * (len(batch) - place))
            for place, size in enumerate(batch)
        ]
        index = (*rows, component)
        return self.loc[index], self.scale[index]  # an expanded tensor is not copied

    @property
    def mean(self) -> Float[Tensor, "*batch L"]:
        r"""The mean, $\sum_k w_k \mu_k$."""
        return self._average(self._unexpanded[1])

    @property
    def variance(self) -> Float[Tensor, "*batch L"]:
        r"""The variance of each dimension, $\sum_k w_k (\sigma_k^2 + (\mu_k - \bar\mu)^2)$."""
        _, loc, scale = self._unexpanded
        if self.batch_shape == loc.shape[:-2]:
            return self._average(scale.square() + (loc - self.mean.unsqueeze(-2)).square())
        # Mixtures that share components compute these around one centre, and the terms cancel.
        loc, scale = widened(loc), widened(scale)
        offset = loc - loc.mean(-2, keepdim=True)
        square = self._average(scale.square() + offset.square())
        return (square - self._average(offset).square()).clamp_min(0).to(self.loc.dtype)

    def _average(self, values: Tensor) -> Tensor:
        """Return the mean over components of a quantity of each, `(*batch, L)`."""
        weights = self._unexpanded[0].exp().unsqueeze(-2)
        average = widened(weights) @ widened(values)  # in a dtype that autocast does not change
        return average.squeeze(-2).to(values.dtype).expand(*self.batch_shape, *self.event_shape)
