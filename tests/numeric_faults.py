"""Wrong priors whose numbers are at fault: a regime, a precision, a weight or a constant."""

import torch
from torch import nn
from torch.distributions import Distribution, Normal

from faulty_priors import Drawn, Fault, K, Mixture
from priory.testing import causes


class ClampedBelow(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z, mu, scale).clamp(min=-50.0)


class ClampedAbove(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z, mu, scale).clamp(max=0.0)


class EpsilonInside(Mixture):
    def log_mixture(self, z, mu, scale):
        return (super().log_mixture(z, mu, scale).exp() + 1e-20).log()


class ExpandedSquare(Mixture):
    def log_mixture(self, z, mu, scale):
        precision = scale.square().reciprocal()
        square = z.square() @ precision.T - 2 * z @ (mu * precision).T
        square = square + (mu.square() * precision).sum(-1)
        log_p = -0.5 * square - scale.log().sum(-1) - 0.9189385332046727 * mu.shape[-1]
        return torch.logsumexp(self.log_weights() + log_p, dim=-1)


class HalfPrecision(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z.half(), mu.half(), scale.half()).to(z.dtype)


class Cooler(Mixture):
    temperature = 0.8

    def choose(self, count):
        weights = (self.logits / self.temperature).softmax(-1)
        return torch.multinomial(weights, count, replacement=True)


class Warmer(Cooler):
    temperature = 1.25


class NarrowerScales(Mixture):
    def sample_scale(self, log_var):
        return 0.9 * super().sample_scale(log_var)


class SoftplusScales(Mixture):
    def sample_scale(self, log_var):
        return nn.functional.softplus(0.5 * log_var)


class OnePercentMore(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z, mu, scale) + 0.00995


class MeanOfComponents(Mixture):
    def log_weights(self):
        return super().log_weights() - torch.tensor(float(K)).log()


class NoLogDeterminant(nn.Module):
    """A stretched and bent Gaussian whose density forgets that it is."""

    bend = 0.0

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(2) + 0.5)

    def forward(self, encoder, context=None) -> Distribution:
        scale, bend = self.log_scale.exp(), self.bend

        def log_prob(z):
            v = z / scale
            return Normal(0.0, 1.0).log_prob(v + bend * v.pow(3)).sum(-1)

        return Drawn(2, log_prob, lambda n: scale * torch.randn(n, 2, dtype=scale.dtype))


NUMERIC_FAULTS = [
    Fault("clamped at -50", ClampedBelow, causes.DENSITY_CLAMPED),
    Fault("clamped at 0", ClampedAbove, causes.DENSITY_CLAMPED),
    Fault("an epsilon in the logarithm", EpsilonInside, causes.DENSITY_CLAMPED),
    Fault("the square expanded", ExpandedSquare, causes.CANCELLATION),
    Fault("half precision inside", HalfPrecision, causes.SINGLE),
    Fault("weights at 0.8", Cooler, causes.WEIGHTS_IGNORED),
    Fault("weights at 1.25", Warmer, causes.WEIGHTS_IGNORED),
    Fault("scales times 0.9", NarrowerScales, causes.SCALE_OTHER),
    Fault("scales by softplus", SoftplusScales, causes.SCALE_OTHER),
    Fault("one per cent more", OnePercentMore, causes.CONSTANT),
    Fault("a mean of components", MeanOfComponents, causes.CONSTANT),
    Fault("no log-determinant", NoLogDeterminant, causes.LOG_DET),
]
