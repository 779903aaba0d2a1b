"""Wrong priors: each a small class with one fault, written the way it is found in the wild.

Every one of them trains: its loss falls and its samples look plausible.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution, Normal, constraints

from cases import mixture_log_prob
from priory import Context
from priory.testing import causes
from priory.testing.subject import Reference

K, DATA = 5, (4,)


class Drawn(Distribution):
    """A distribution of two functions: how to weigh a point, and how to draw n points."""

    support = constraints.real_vector

    def __init__(
        self,
        latent_dim: int,
        log_prob: Callable[[Tensor], Tensor],
        draw: Callable[[int], Tensor],
    ) -> None:
        self._log_prob, self._draw = log_prob, draw
        super().__init__(event_shape=Size([latent_dim]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._log_prob(value)

    @torch.no_grad()
    def sample(self, sample_shape: Size = Size()) -> Tensor:  # noqa: B008 (torch's own signature)
        return self._draw(Size(sample_shape).numel()).reshape(*sample_shape, *self.event_shape)


class Mixture(nn.Module):
    """A right mixture of Gaussians in parts, for the faulty ones to replace one of."""

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(K))
        self.mu = nn.Parameter(2 * torch.randn(K, latent_dim))
        self.log_var = nn.Parameter(0.8 * torch.randn(K, latent_dim) - 0.5)

    def parts(self, encoder: nn.Module) -> tuple[Tensor, Tensor]:
        return self.mu, self.log_var

    def log_weights(self) -> Tensor:
        return self.logits.log_softmax(-1)

    def choose(self, count: int) -> Tensor:
        return torch.multinomial(self.logits.softmax(-1), count, replacement=True)

    def density_scale(self, log_var: Tensor) -> Tensor:
        return (0.5 * log_var).exp()

    def sample_scale(self, log_var: Tensor) -> Tensor:
        return (0.5 * log_var).exp()

    def log_mixture(self, z: Tensor, mu: Tensor, scale: Tensor) -> Tensor:
        log_p = Normal(mu, scale, validate_args=False).log_prob(z.unsqueeze(-2)).sum(-1)
        return torch.logsumexp(self.log_weights() + log_p, dim=-1)

    def draw(self, count: int, mu: Tensor, scale: Tensor) -> Tensor:
        k = self.choose(count)
        return torch.normal(mu[k], scale[k])

    def forward(self, encoder: nn.Module, context: object = None) -> Distribution:
        mu, log_var = self.parts(encoder)

        def log_prob(z: Tensor) -> Tensor:
            return self.log_mixture(z, mu, self.density_scale(log_var))

        def draw(count: int) -> Tensor:
            return self.draw(count, mu, self.sample_scale(log_var))

        return Drawn(mu.shape[-1], log_prob, draw)


class Vamp(Mixture):
    """A right VampPrior in parts: pseudo-inputs between 0 and 1, fixed and equal weights."""

    def __init__(self) -> None:
        super().__init__()
        del self.mu, self.log_var, self.logits
        self.register_buffer("logits", torch.zeros(K))
        self.raw = nn.Parameter(torch.randn(K, *DATA))

    def pseudo_inputs(self) -> Tensor:
        return torch.sigmoid(self.raw)

    def parts(self, encoder: nn.Module) -> tuple[Tensor, Tensor]:
        q = encoder(self.pseudo_inputs())
        return q.mean, q.variance.log()


class LogSumExpPerDimension(Mixture):
    def log_mixture(self, z, mu, scale):
        log_p = Normal(mu, scale, validate_args=False).log_prob(z.unsqueeze(-2))
        return torch.logsumexp(self.log_weights().unsqueeze(-1) + log_p, dim=-2).sum(-1)


class ExpLogVarianceSampled(Mixture):
    def sample_scale(self, log_var):
        return log_var.exp()


class RootTakenAgain(Mixture):
    def sample_scale(self, log_var):
        return (0.5 * log_var).exp().sqrt()


class LogVarianceAsLogScale(Vamp):
    def density_scale(self, log_var):
        return log_var.exp()


class LogVarianceAsLogScaleThroughout(Vamp):
    """Consistent with itself, and only wrong as a VampPrior: it takes a reference to see it."""

    def density_scale(self, log_var):
        return log_var.exp()

    sample_scale = density_scale


class OneOverN(Vamp):
    num_data = 1000

    def log_weights(self):
        return torch.zeros_like(self.logits) - math.log(self.num_data)


class WeightsNotNormalised(Mixture):
    def log_weights(self):
        return self.logits


class WeightsIgnoredInSampling(Mixture):
    def choose(self, count):
        return torch.randint(K, (count,))


class FirstComponents(Vamp):
    def choose(self, count):
        return torch.arange(count) % K


class Flow(nn.Module):
    """An affine coupling layer on each half, whose log-determinant is counted `times` times."""

    times = 1

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 2)) for _ in range(2)
        )

    def forward(self, encoder: nn.Module, context: object = None) -> Distribution:
        def log_prob(z: Tensor) -> Tensor:
            a, b = z.chunk(2, -1)
            log_det = torch.zeros_like(z)
            for net in self.nets:
                shift, log_scale = net(a).chunk(2, -1)
                b = (b - shift) * (-log_scale).exp()
                log_det = log_det - log_scale / 2  # spread over the two dimensions
                a, b = b, a
            base = Normal(0.0, 1.0).log_prob(torch.cat([a, b], -1))
            return base.sum(-1) + self.times * log_det.sum(-1)

        def draw(count: int) -> Tensor:
            dtype = self.nets[0][0].weight.dtype
            a, b = torch.randn(count, 2, dtype=dtype).chunk(2, -1)
            for net in reversed(self.nets):
                a, b = b, a
                shift, log_scale = net(a).chunk(2, -1)
                b = b * log_scale.exp() + shift
            return torch.cat([a, b], -1)

        return Drawn(2, log_prob, draw)


class LogDeterminantTimesL(Flow):
    times = 2


class TanhInSamplingOnly(Mixture):
    def draw(self, count, mu, scale):
        return torch.tanh(super().draw(count, mu, scale))


class ConstantsAreNoBuffers(Mixture):
    def __init__(self):
        super().__init__()
        self.shift = torch.tensor([0.3, -0.7])

    def parts(self, encoder):
        return self.mu + self.shift, self.log_var


class EncoderStored(Vamp):
    def __init__(self):
        super().__init__()
        self.encoder = None

    def parts(self, encoder):
        if self.encoder is None:
            self.encoder = encoder
        return super().parts(self.encoder)


class ParameterInDictionary(Mixture):
    def __init__(self):
        super().__init__()
        self.extra = {"shift": nn.Parameter(torch.randn(2))}

    def parts(self, encoder):
        return self.mu + self.extra["shift"], self.log_var


class ClampedPseudoInputs(Vamp):
    def __init__(self):
        super().__init__()
        self.raw = nn.Parameter(torch.rand(K, *DATA))

    def pseudo_inputs(self):
        return nn.functional.hardtanh(self.raw, 0.0, 1.0)


class CategoricalCovariates(Vamp):
    """Each pseudo-input carries a covariate that is drawn from "trainable" logits."""

    def __init__(self):
        super().__init__()
        self.covariate_logits = nn.Parameter(torch.randn(K, 3))

    def pseudo_inputs(self):
        drawn = torch.multinomial(self.covariate_logits.softmax(-1), 1).squeeze(-1)
        covariates = nn.functional.one_hot(drawn, 3).to(self.raw)
        return torch.cat([torch.sigmoid(self.raw), covariates], dim=-1)


class EncoderDetached(Vamp):
    def parts(self, encoder):
        with torch.no_grad():
            return super().parts(encoder)


class NumpyChoosesComponents(Mixture):
    def choose(self, count):
        weights = self.logits.detach().double().softmax(-1).numpy()
        return torch.from_numpy(np.random.choice(K, size=count, p=weights))  # noqa: NPY002


def vamp_reference(prior: Vamp, encoder: nn.Module, z: list[float]) -> float:
    q = encoder(prior.pseudo_inputs()).base_dist
    return mixture_log_prob(z, prior.logits, q.loc, q.scale, factorized=False)


@dataclass(frozen=True)
class Fault:
    """One row of the audit: a fault, who has it, and the cause that the kit must name first."""

    name: str
    make: Callable[[], nn.Module]
    cause: str
    reference: Reference | None = None
    latent_dim: int = 2
    context: Context | None = None


def in_eight_dimensions(fault: Fault) -> Fault:
    """The same fault where no quadrature reaches."""
    return replace(
        fault, name=f"{fault.name}, L = 8", make=lambda: fault.make(latent_dim=8), latent_dim=8
    )


FAULTS = [
    Fault("log-sum-exp per latent dimension", LogSumExpPerDimension, causes.LOG_SUM_EXP),
    Fault("exp(log-variance) sampled as a scale", ExpLogVarianceSampled, causes.SCALE_SQUARED),
    Fault("root of a standard deviation taken again", RootTakenAgain, causes.SCALE_ROOT),
    Fault("log-variance read as log-scale", LogVarianceAsLogScale, causes.SCALE_READ),
    Fault("1/N for 1/K", OneOverN, causes.CONSTANT),
    Fault("weights not normalised", WeightsNotNormalised, causes.WEIGHTS_UNNORMALISED),
    Fault("weights ignored in sampling", WeightsIgnoredInSampling, causes.WEIGHTS_IGNORED),
    Fault("first K components always chosen", FirstComponents, causes.BY_POSITION),
    Fault("log-determinant counted L times", LogDeterminantTimesL, causes.LOG_DET),
    Fault("tanh in sampling only", TanhInSamplingOnly, causes.SQUASHED),
    Fault("constants that are not buffers", ConstantsAreNoBuffers, causes.NO_BUFFER),
    Fault("encoder stored", EncoderStored, causes.ENCODER_STORED),
    Fault("parameter in a plain dictionary", ParameterInDictionary, causes.PLAIN_CONTAINER),
    Fault("clamp at the border of the pseudo-inputs", ClampedPseudoInputs, causes.CLAMP),
    Fault("categorical draw of trainable covariates", CategoricalCovariates, causes.DRAW_BLOCKS),
    Fault("encoder detached inside the prior", EncoderDetached, causes.ENCODER_DETACHED),
    Fault("component draws from NumPy's generator", NumpyChoosesComponents, causes.NUMPY_GENERATOR),
]

FAULTS += [in_eight_dimensions(FAULTS[i]) for i in (0, 1, 2, 5, 6, 9)]

FAULTS += [
    Fault(
        "log-variance read as log-scale throughout",
        LogVarianceAsLogScaleThroughout,
        causes.WRONG_DENSITY,
        vamp_reference,
    ),
]
