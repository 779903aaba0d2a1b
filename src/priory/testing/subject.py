"""The prior under test: how to create it and an encoder, and the samples that the checks share."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution

from priory.distributions.unflattened import UnflattenedDistribution
from priory.networks.context import Context
from priory.networks.contract import wrong_part
from priory.testing.clusters import Clusters, cluster
from priory.testing.free import Free, free
from priory.testing.mass import Mass, mass_of
from priory.testing.p_values import seeded

Reference = Callable[..., float]
"""Called as `reference(prior, encoder, z)` for one point z: the log-density in nats.

With a context, it is called as `reference(prior, encoder, z, context)`, for one example of it.
"""

BARS = 6.0
"""The number of standard errors that an estimate may be off."""


class GivenContext(nn.Module):
    """A prior that is called with only the encoder, for one example of a context."""

    def __init__(self, prior: nn.Module, context: Context) -> None:
        super().__init__()
        self.prior = prior
        self.context = context

    def forward(self, encoder: nn.Module) -> Distribution:
        """Return the distribution of the one example, without a batch shape."""
        p: Distribution = self.prior(encoder, self.context)
        return UnflattenedDistribution(p, ()) if p.batch_shape == (1,) else p


@dataclass(frozen=True, eq=False)
class Subject:
    """A prior under test.

    Attributes:
        make_prior: Returns a new prior.
        encoder: The encoder that the prior is called with; copied before every use.
        reference: The prior's log-density at one point, from first principles.
        seed: The random seed.
        level: The significance level of each statistical check.
        jitter: How far parameters are moved from their initial values.
        num_samples: The number of samples that the statistical checks share.
        context: The context of some data, if the prior depends on it.
    """

    make_prior: Callable[[], nn.Module]
    encoder: nn.Module
    reference: Reference | None = None
    seed: int = 0
    level: float = 1e-4
    jitter: float = 0.4
    num_samples: int = 20_000
    context: Context | None = None

    @cached_property
    def each(self) -> "tuple[Subject, ...]":
        """The prior for each example of the context separately, sharing the level."""
        assert self.context is not None
        ones = [self.context[slice(row, row + 1)] for row in range(len(self.context))]
        return tuple(self._given(one, self.level / len(ones)) for one in ones)

    def _given(self, one: Context, level: float) -> "Subject":
        make_prior, reference = self.make_prior, self.reference

        def of_one(prior: nn.Module, encoder: nn.Module, z: list[float]) -> float:
            assert reference is not None
            return reference(cast(GivenContext, prior).prior, encoder, z, one)

        return replace(
            self,
            make_prior=lambda: GivenContext(make_prior(), one),
            reference=None if reference is None else of_one,
            level=level,
            context=None,
        )

    def new_prior(self, variant: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
        """Return a new prior, moved away from its symmetric initial values.

        Equal weights and means at the origin hide faults, so every parameter is moved at random;
        entries of a matrix with long rows by less, as sums over them grow.
        """
        return self._moved_prior(self.safe_jitter, variant).to(dtype)

    def _moved_prior(self, jitter: float, variant: int) -> nn.Module:
        with seeded(self.seed + 1000 * variant):
            with torch.enable_grad():  # a factory may make other parameters without
                prior = self.make_prior()
            if not isinstance(prior, nn.Module):
                raise wrong_part(prior, "prior")
            with torch.no_grad():
                for parameter in filter(torch.is_floating_point, prior.parameters()):
                    row = parameter[0].numel() if parameter.dim() > 1 else 1
                    width = jitter / math.sqrt(max(1.0, row / 8))
                    parameter.add_(width * torch.randn_like(parameter))
        return prior

    @cached_property
    def safe_jitter(self) -> float:
        """How far parameters can be moved so that the prior still takes them.

        A scale or a bound that is a parameter as it is must not be moved out of its range.
        """
        for jitter in (self.jitter, self.jitter / 4, self.jitter / 16, self.jitter / 64):
            try:
                for variant in (0, 1):
                    prior = self._moved_prior(jitter, variant).double().eval()
                    with torch.no_grad(), seeded(self.seed):
                        prior(self.new_encoder())
                return jitter
            except ValueError:
                continue
            except Exception:  # whatever else it is, the checks say so
                return self.jitter
        return self.jitter

    def new_encoder(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """Return a copy of the encoder."""
        return deepcopy(self.encoder).to(dtype)

    def new_distribution(
        self, variant: int = 0, dtype: torch.dtype = torch.float64, training: bool = False
    ) -> Distribution:
        """Return the distribution of a new prior and a new encoder, without their gradients.

        The prior is in evaluation mode unless specified: in training, one with an estimated
        normaliser may draw.
        """
        prior = self.new_prior(variant, dtype).requires_grad_(False).train(training)
        with seeded(self.seed):
            return cast(Distribution, prior(self.new_encoder(dtype).requires_grad_(False)))

    @cached_property
    def p(self) -> Distribution:
        """The distribution that the statistical checks examine."""
        return self.new_distribution()

    @cached_property
    def free(self) -> Free:
        """The same in coordinates without bounds; what is called samples below is in these."""
        with seeded(self.seed + 1):
            return free(self.p, self.p.sample(Size((64,))).double())

    @cached_property
    def samples(self) -> Tensor:
        """Samples of p, `(S, D)`."""
        return self.free.to_free(self._draw(self.seed + 1))

    @cached_property
    def draws(self) -> Tensor:
        """Samples of p as it draws them, `(S, L)`: the fresh ones before they are stretched."""
        return self._draw(self.seed + 2)

    @cached_property
    def fresh_samples(self) -> Tensor:
        """Samples independent of those that clusters and proposals were built from, `(S, D)`."""
        return self.free.to_free(self.draws)

    def _draw(self, seed: int) -> Tensor:
        with seeded(seed):
            return self.p.sample(Size((self.num_samples,))).double()

    @cached_property
    def score(self) -> Tensor:
        r"""The gradient $\nabla_u \log q$ at the fresh samples, `(S, D)`."""
        return self.free.score(self.fresh_samples)

    @cached_property
    def clusters(self) -> Clusters:
        """Clusters of the samples."""
        return cluster(self.samples, self.seed)

    @cached_property
    def mass(self) -> Mass:
        """Weighted points that stand for the density."""
        return mass_of(self.free, self.samples, self.clusters, self.seed)

    @cached_property
    def points(self) -> Tensor:
        """A few points where the density is neither zero nor always high, `(P, L)`.

        Half of them are as far from the samples as these are from one another, and half are near a
        mode, however narrow. All are in the support.
        """
        with seeded(self.seed + 3):
            u = self.samples[:48]
            member = self.clusters.member(u)
            near = self.clusters.root[member] @ torch.randn_like(u).unsqueeze(-1)
            far = (u.quantile(0.75, dim=0) - u.quantile(0.25, dim=0)) / 1.35 * torch.randn_like(u)
            step = torch.where(torch.arange(48).unsqueeze(-1) % 2 == 0, near.squeeze(-1), far)
            moved = u + 0.5 * step
            inside = self.free.log_prob(moved).isfinite().unsqueeze(-1)
            return self.free.from_free(torch.where(inside, moved, u))


def standard_error(p: Distribution, z: Tensor) -> Tensor:
    """Return the standard error of log p(z), `(S,)`: zero for a density that is exact."""
    error = getattr(p, "log_prob_standard_error", None)
    return z.new_zeros(len(z)) if error is None else cast(Tensor, error(z))


@contextmanager
def recorded(encoder: nn.Module) -> Iterator[list[Tensor]]:
    """Record the inputs of all calls of an encoder, with their graphs."""
    inputs: list[Tensor] = []
    handle = encoder.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    try:
        yield inputs
    finally:
        handle.remove()
