"""A mixture of diagonal Gaussians whose components are divided among processes."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import pad

from priory.distributions.mixture.gaussian_mixture import GaussianMixture
from priory.distributions.torch_distributions import Expandable
from priory.processes import Processes


class ShardedGaussianMixture(
    Expandable, expands={"_local": 0, "_log_mass": 0}, keeps=("processes", "_given")
):
    r"""A mixture of diagonal Gaussians in which each process of a group has some of the components.

    $$\log p(z) = \log \sum_{p=1}^P \exp \ell_p(z), \qquad
    \ell_p(z) = \log \sum_{k \in \mathcal{K}_p} w_k \, \mathcal{N}(z \mid \mu_k,
    \mathrm{diag}\,\sigma_k^2), \qquad \sum_{p=1}^P \sum_{k \in \mathcal{K}_p} w_k = 1$$

    It is the `GaussianMixture` of all components in the order of the processes: density, gradients
    and samples are the same, up to rounding, and no process ever has the components of another. All
    processes must make the same calls with the same points; a density only exchanges $\ell_p$, the
    logarithm of a process's own sum, one number per point. Weights are normalised over all
    components. In one process, and without torch.distributed, it is a `GaussianMixture`.

    Gradients are those of a loss that every process computes in the same way: a process has the
    gradients of its own components, and all processes have the same gradient for the points. A
    tensor must require gradients in all processes or in none. There are no second derivatives.

    Args:
        logits: Unnormalised log-weights of this process's components, `(*batch, K)`, where K may
            differ between processes, and may be zero. A logit of `-inf` is a weight of zero.
        loc: Their means, `(*batch, K, L)`.
        scale: Their standard deviations, `(*batch, K, L)`.
        validate_args: As in every torch distribution.
        processes: The processes; by default those of torch.distributed's default group.

    Attributes:
        logits: Log-weights of this process's components, `(*batch, K)`, normalised over all.
        loc: Their means, `(*batch, K, L)`.
        scale: Their standard deviations, `(*batch, K, L)`.

    Raises:
        ValueError: If the shapes do not match, a scale is not positive or, over all processes, no
            weight is positive.

    Examples:
        >>> import torch
        >>> from priory.distributions import ShardedGaussianMixture
        >>> p = ShardedGaussianMixture(torch.zeros(3), torch.randn(3, 2), torch.ones(3, 2))
        >>> p.log_prob(p.sample((5,))).shape
        torch.Size([5])
    """

    arg_constraints = GaussianMixture.arg_constraints
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        logits: Float[Tensor, "..."],
        loc: Float[Tensor, "..."],
        scale: Float[Tensor, "..."],
        validate_args: bool | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.processes = Processes() if processes is None else processes
        self._given = logits
        if logits.dim() and loc.dim() > 1 and 0 in (logits.shape[-1], loc.shape[-2]):
            # A component without weight, so that this process takes part in all exchanges,
            # including gradients.
            logits, loc = pad(logits, (0, 1), value=-torch.inf), pad(loc, (0, 0, 0, 1))
            scale = pad(scale, (0, 0, 0, 1), value=1.0)
        # A process may have no weight at all, but its own mixture needs some.
        weightless = logits.isneginf().all(-1)
        logits = logits.masked_fill(weightless.unsqueeze(-1), 0)
        self._local = GaussianMixture(logits, loc, scale, validate_args)
        mass = logits.logsumexp(-1).masked_fill(weightless, -torch.inf)
        total = _log_sum_exp(mass, self.processes)
        super().__init__(self._local.batch_shape, self._local.event_shape, validate_args=False)
        self._validate_args = self._local._validate_args
        if self._validate_args and total.isneginf().any():
            raise ValueError("expected a weight above zero in some process, got none.")
        self._log_mass = mass - _known_to_all(total, self.processes)

    @property
    def logits(self) -> Float[Tensor, "*batch K"]:
        """The log-weights of this process's components, normalised over all processes."""
        logits = self._local.logits + self._log_mass.unsqueeze(-1)
        return logits[..., : self._given.shape[-1]]

    @property
    def loc(self) -> Float[Tensor, "*batch K L"]:
        """The means of this process's components."""
        return self._local.loc[..., : self._given.shape[-1], :]

    @property
    def scale(self) -> Float[Tensor, "*batch K L"]:
        """The standard deviations of this process's components."""
        return self._local.scale[..., : self._given.shape[-1], :]

    def log_prob(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "..."]:
        """Return log p(z) in nats, of shape `(*sample, *batch)`, in every process."""
        return _log_sum_exp(self._own_density(value), self.processes)

    def responsibilities(self, value: Float[Tensor, "*#points L"]) -> Float[Tensor, "... K"]:
        r"""Return the posterior over this process's components, $w_k p_k(z) / p(z)$."""
        local_density = self._own_density(value)
        share = (
            local_density
            - _known_to_all(_log_sum_exp(local_density, self.processes), self.processes)
        ).exp()
        among_own = self._local.responsibilities(_known_to_all(value, self.processes))
        return (among_own * share.unsqueeze(-1))[..., : self._given.shape[-1]]

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "... L"]:
        """Draw the same samples as a `GaussianMixture` of all components, in every process.

        The random generators of all processes are synchronised with that of the first.
        """
        self.processes.get_in_step(self.loc.device)
        logits = self._given.expand(*self.batch_shape, -1)
        every = self.processes.gather(logits.movedim(-1, 0)).movedim(0, -1)
        sizes = self.processes.every(torch.tensor(logits.shape[-1], device=logits.device))
        first = sizes[: self.processes.rank].sum()

        def parameters_of(component: Tensor) -> tuple[Tensor, Tensor]:
            place = component - first
            ours = ((place >= 0) & (place < logits.shape[-1])).unsqueeze(-1)
            local_parameters = self._local.parameters_of(
                place.clamp(0, self._local.loc.shape[-2] - 1)
            )
            loc, scale = self.processes.sum(
                torch.stack([t.where(ours, 0) for t in local_parameters])
            )
            return loc, scale

        return self._local.drawn(sample_shape, every.log_softmax(-1), parameters_of)

    @property
    def mean(self) -> Float[Tensor, "*batch L"]:
        r"""The mean, $\sum_k w_k \mu_k$."""
        return self._sum(self._local.mean)

    @property
    def variance(self) -> Float[Tensor, "*batch L"]:
        r"""The variance of each dimension, $\sum_k w_k (\sigma_k^2 + (\mu_k - \bar\mu)^2)$."""
        local, mean = self._local, _known_to_all(self.mean, self.processes)
        return self._sum(local.variance + (local.mean - mean).square())

    def _own_density(self, value: Tensor) -> Tensor:
        """Return this process's part of the density, as a logarithm."""
        return self._local.log_prob(_known_to_all(value, self.processes)) + self._log_mass

    def _sum(self, values: Tensor) -> Tensor:
        """Return the mean over processes of a quantity of each, weighted by their components."""
        weighted = self._log_mass.exp().unsqueeze(-1) * values
        if self.processes.count == 1:
            return weighted
        return _apply(_Summed, weighted, self.processes, True)


def _log_sum_exp(values: Tensor, processes: Processes) -> Tensor:
    return values if processes.count == 1 else _apply(_LogSumExp, values, processes)


def _known_to_all(values: Tensor, processes: Processes) -> Tensor:
    """Return a tensor that all processes share and use differently, with its full gradient."""
    return values if processes.count == 1 else _apply(_Summed, values, processes, False)


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    return cast(Tensor, function.apply(*inputs))


class _Summed(torch.autograd.Function):
    """The sum over processes, used in the same way by all; or values whose gradients are summed."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes, forwards: bool) -> Tensor:
        ctx.processes, ctx.forwards = processes, forwards
        return processes.sum(values) if forwards else values.view_as(values)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad if ctx.forwards else ctx.processes.sum(grad), None, None


class _LogSumExp(torch.autograd.Function):
    """The log-sum-exp over processes, used in the same way by all."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        total = processes.every(values).logsumexp(0)
        # If there is no density at all, no process has a share of it.
        ctx.save_for_backward((values - total.clamp_min(torch.finfo(total.dtype).min)).exp())
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.saved_tensors[0], None
