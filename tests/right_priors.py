"""Right priors of every shape: narrow, heavy, bounded, bent and far away. The kit rejects none."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Size, Tensor, nn
from torch.distributions import (
    Beta,
    Categorical,
    Dirichlet,
    Distribution,
    Gamma,
    HalfNormal,
    Independent,
    Laplace,
    LogNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    StudentT,
    TransformedDistribution,
    Uniform,
    VonMises,
    constraints,
)
from torch.distributions.transforms import AffineTransform, TanhTransform

from faulty_priors import Flow, Mixture, Vamp
from priory import GaussianMixture, MoGPrior, StandardPrior, VampPrior


class Family(nn.Module):
    """A distribution made of parameters at every call."""

    def __init__(self, make: Callable[..., Distribution], **parameters: Tensor) -> None:
        super().__init__()
        self.make = make
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value.clone()))

    def forward(self, encoder: nn.Module) -> Distribution:
        return self.make(**dict(self.named_parameters()))


def family(make: Callable[..., Distribution], **parameters: Tensor) -> Callable[[], nn.Module]:
    return lambda: Family(make, **parameters)


def narrow() -> nn.Module:
    prior = MoGPrior(2, 8, spread=5.0)
    with torch.no_grad():
        prior.log_scale.fill_(math.log(0.002))
    return prior


def two_far(loc, log_scale):
    return GaussianMixture(loc.new_zeros(2), loc, log_scale.exp())


def student(degrees: float) -> Callable[[], nn.Module]:
    def make(loc, log_scale):
        return Independent(StudentT(torch.full_like(loc, degrees), loc, log_scale.exp()), 1)

    return family(make, loc=torch.zeros(2), log_scale=torch.zeros(2))


def many(logits, loc):
    scale = torch.full_like(loc, 0.002)
    parts = Independent(Normal(loc, scale), 1)
    return MixtureSameFamily(Categorical(logits=logits), parts)


def unequal(loc):
    logits = loc.new_tensor([0.0, math.log(1e-3)])
    return GaussianMixture(logits, loc, loc.new_tensor([[1.0, 1.0], [0.3, 0.3]]))


def ridge(loc):
    """Correlated so that the condition number is a million."""
    covariance = loc.new_tensor([[1.0, 0.999998], [0.999998, 1.0]])
    return MultivariateNormal(loc, covariance_matrix=covariance)


def mixed_students(logits, loc):
    parts = Independent(StudentT(torch.full_like(loc, 1.5), loc, torch.full_like(loc, 0.5)), 1)
    return MixtureSameFamily(Categorical(logits=logits), parts)


def mixed_boxes(logits):
    low = logits.new_tensor([[0.0, 0.0], [0.5, 2.0]])
    parts = Independent(Uniform(low, low + 1, validate_args=False), 1)
    return MixtureSameFamily(Categorical(logits=logits), parts, validate_args=False)


class Truncated(Distribution):
    """A standard normal between -1 and 2, by the inverse of its distribution function."""

    support = constraints.independent(constraints.interval(-1.0, 2.0), 1)
    has_rsample = False

    def __init__(self, loc: Tensor, declared: bool = True) -> None:
        self.normal = Normal(loc, torch.ones_like(loc))
        self.low, self.high = (self.normal.cdf(torch.full_like(loc, b)) for b in (-1.0, 2.0))
        super().__init__(event_shape=loc.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        log_p = self.normal.log_prob(value) - (self.high - self.low).log()
        inside = (value >= -1) & (value <= 2)
        return torch.where(inside, log_p, -math.inf).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Size = Size()) -> Tensor:  # noqa: B008 (torch's own signature)
        u = torch.rand(*sample_shape, *self.event_shape, dtype=self.low.dtype)
        return self.normal.icdf(self.low + u * (self.high - self.low))


class Undeclared(Truncated):
    """The same, which says that its support is the whole space."""

    support = constraints.real_vector


ZERO, ONE = torch.zeros(2), torch.ones(2)


@dataclass(frozen=True)
class Right:
    """A right prior: whether the kit may leave a check of it undecided, and how large it is."""

    name: str
    make: Callable[[], nn.Module]
    decided: bool = True
    latent_dim: int = 2


RIGHT_PRIORS = [
    Right("right mixture", Mixture),
    Right("right VampPrior", Vamp),
    Right("right flow", Flow),
    Right("narrow modes", narrow),
    Right("narrow modes on a line", lambda: narrow_line()),
    Right(
        "two modes 1000 apart",
        family(two_far, loc=torch.tensor([[0.0, 0.0], [1000.0, 0.0]]), log_scale=torch.zeros(2, 2)),
    ),
    Right("Student, 1 degree", student(1.0), decided=False),
    Right("Student, 1.5 degrees", student(1.5), decided=False),
    Right("Student, 2 degrees", student(2.0), decided=False),
    Right("one component", lambda: MoGPrior(2, 1)),
    Right("one pseudo-input", lambda: VampPrior(1, (4,))),
    Right(
        "a box",
        family(lambda low, high: Independent(Uniform(low, high), 1), low=ZERO, high=2 * ONE),
    ),
    Right(
        "a box, stretched",
        family(
            lambda loc: TransformedDistribution(
                Independent(Uniform(loc * 0, loc * 0 + 1), 1),
                AffineTransform(loc, 2.0, event_dim=1),
            ),
            loc=ZERO,
        ),
        decided=False,
    ),
    Right(
        "Beta", family(lambda a, b: Independent(Beta(a.exp(), b.exp()), 1), a=ZERO + 0.5, b=ZERO)
    ),
    Right("truncated", family(Truncated, loc=ZERO), decided=False),
    Right("truncated, undeclared", family(Undeclared, loc=ZERO), decided=False),
    Right(
        "tanh of a Gaussian",
        family(
            lambda loc, log_scale: TransformedDistribution(
                Independent(Normal(loc, log_scale.exp()), 1), TanhTransform()
            ),
            loc=ZERO,
            log_scale=ZERO,
        ),
    ),
    Right(
        "LogNormal",
        family(lambda a, b: Independent(LogNormal(a, b.exp()), 1), a=ZERO, b=ZERO - 0.5),
        decided=False,
    ),
    Right(
        "HalfNormal",
        family(lambda log_scale: Independent(HalfNormal(log_scale.exp()), 1), log_scale=ZERO),
    ),
    Right(
        "Gamma", family(lambda a, b: Independent(Gamma(a.exp(), b.exp()), 1), a=ZERO + 1, b=ZERO)
    ),
    Right("Dirichlet", family(lambda a: Dirichlet(a.exp()), a=torch.ones(3))),
    Right(
        "VonMises",
        family(lambda loc, log_k: Independent(VonMises(loc, log_k.exp()), 1), loc=ONE, log_k=ZERO),
        decided=False,
    ),
    Right(
        "Laplace", family(lambda loc, b: Independent(Laplace(loc, b.exp()), 1), loc=ZERO, b=ZERO)
    ),
    Right(
        "a mode of weight 1e-3",
        family(unequal, loc=torch.tensor([[0.0, 0.0], [6.0, 6.0]])),
        decided=False,
    ),
    Right("a ridge", family(ridge, loc=ZERO)),
    Right(
        "far from the origin",
        family(lambda loc, b: Independent(Normal(loc, b.exp()), 1), loc=ZERO + 1e4, b=ZERO),
    ),
    Right("double precision", lambda: Mixture().double()),
    Right("one dimension", lambda: MoGPrior(1, 5, spread=2.0), latent_dim=1),
    Right(
        "a mixture of Students",
        family(
            mixed_students,
            logits=torch.zeros(3),
            loc=4 * torch.randn(3, 2, generator=torch.Generator().manual_seed(0)),
        ),
        decided=False,
    ),
    Right("a mixture of boxes", family(mixed_boxes, logits=torch.zeros(2)), decided=False),
    Right("eight dimensions", lambda: MoGPrior(8, 5, spread=2.0), latent_dim=8),
    Right("narrow modes in eight", lambda: narrow_eight(), latent_dim=8),
]


def narrow_line() -> nn.Module:
    prior = MoGPrior(1, 8, spread=5.0)
    with torch.no_grad():
        prior.log_scale.fill_(math.log(0.002))
    return prior


def narrow_eight() -> nn.Module:
    prior = MoGPrior(8, 8, spread=5.0)
    with torch.no_grad():
        prior.log_scale.fill_(math.log(0.002))
    return prior


LARGE = [
    Right("standard, L = 128", lambda: StandardPrior(128), latent_dim=128),
    Right(
        "a mixture, L = 128", lambda: MoGPrior(128, 5, spread=2.0), decided=False, latent_dim=128
    ),
    Right(
        "500 narrow modes",
        family(
            many,
            logits=torch.zeros(500),
            loc=5 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0)),
        ),
        decided=False,
    ),
]
