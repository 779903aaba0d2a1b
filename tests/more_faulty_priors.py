"""Wrong priors beyond the audit's list, so that every check and every cause has one of its own."""

import random

import numpy as np
import torch
from torch import nn
from torch.distributions import Distribution, Independent, Normal, register_kl

from faulty_priors import Drawn, Fault, K, Mixture, Vamp
from priory import ConditionalMoGPrior, Context
from priory.testing import causes


class ComponentPerDimension(Mixture):
    def draw(self, count, mu, scale):
        k = torch.stack([self.choose(count) for _ in range(mu.shape[-1])], dim=-1)
        return torch.normal(mu.gather(0, k), scale.gather(0, k))


class SharedNoise(Mixture):
    def draw(self, count, mu, scale):
        k = self.choose(count)
        return mu[k] + scale[k] * torch.randn(count, 1, dtype=mu.dtype)


class ComponentPerBatch(Mixture):
    def choose(self, count):
        return super().choose(1).expand(count)


class CountedFromOne(Mixture):
    def choose(self, count):
        return 1 + torch.multinomial(self.logits[1:].softmax(-1), count, replacement=True)


class MeansMoved(Mixture):
    """Means are normalised in the density's units and sampled in the data's."""

    def draw(self, count, mu, scale):
        return super().draw(count, mu + 0.5, scale)


class NotSummed(Mixture):
    def forward(self, encoder, context=None):
        return Normal(self.mu[0], (0.5 * self.log_var[0]).exp())


class SingleInside(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z.float(), mu.float(), scale.float()).float()


class Wider(Independent):
    """A product of normals, and a temperature of two for prettier samples."""

    def sample(self, sample_shape=()):
        return 2 * super().sample(sample_shape)


class Heated(nn.Module):
    def __init__(self):
        super().__init__()
        self.loc, self.log_scale = (nn.Parameter(torch.zeros(2)) for _ in range(2))

    def forward(self, encoder, context=None):
        return Wider(Normal(self.loc, self.log_scale.exp()), 1)


class CentredOnTheBatch(Mixture):
    def log_mixture(self, z, mu, scale):
        shift = z.mean(0, keepdim=True) if z.dim() > 1 else 0.0
        return super().log_mixture(z - 0.01 * shift, mu, scale)


class NoiseInTheDensity(Mixture):
    def parts(self, encoder):
        return self.mu + 0.1 * torch.randn_like(self.mu), self.log_var


class HalfTheGradient(Mixture):
    def parts(self, encoder):
        return 0.5 * self.mu + 0.5 * self.mu.detach(), self.log_var


class SumOfExponentials(Mixture):
    def log_mixture(self, z, mu, scale):
        p = Normal(mu, scale, validate_args=False).log_prob(z.unsqueeze(-2)).sum(-1).exp()
        return (p @ self.log_weights().exp()).log()


class UnusedParameter(Mixture):
    def __init__(self):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(1))


class RoundedPseudoInputs(Vamp):
    def pseudo_inputs(self):
        return torch.round(255 * torch.sigmoid(self.raw)) / 255


class TwoNamesForOne(Mixture):
    def __init__(self):
        super().__init__()
        self.means = self.mu


class ConstantNotSaved(Mixture):
    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.randn(2), persistent=False)

    def parts(self, encoder):
        return self.mu + self.shift, self.log_var


class DropoutInside(Vamp):
    def parts(self, encoder):
        return encoder(nn.functional.dropout(self.pseudo_inputs(), 0.2, self.training)).mean, (
            torch.zeros(K, 2, dtype=self.raw.dtype) - 1
        )


class EncodesForEachDensity(Vamp):
    def forward(self, encoder, context=None):
        def log_prob(z):
            mu, log_var = self.parts(encoder)
            return self.log_mixture(z, mu, (0.5 * log_var).exp())

        return Drawn(2, log_prob, lambda n: self.draw(n, *self.loc_and_scale(encoder)))

    def loc_and_scale(self, encoder):
        mu, log_var = self.parts(encoder)
        return mu, (0.5 * log_var).exp()


class LeavesTheEncoderInEval(Vamp):
    def parts(self, encoder):
        encoder.eval()
        return super().parts(encoder)


class Reseeds(Mixture):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__()


class PythonChoosesComponents(Mixture):
    def choose(self, count):
        weights = self.logits.softmax(-1).tolist()
        return torch.tensor(random.choices(range(K), weights, k=count))


class AGeneratorOfItsOwn(Mixture):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng()

    def choose(self, count):
        weights = self.logits.detach().double().softmax(-1).numpy()
        return torch.from_numpy(self.rng.choice(K, size=count, p=weights))


class Claims(Drawn):
    """A distribution that claims a mean, a variance, an entropy and a divergence: all wrong."""

    mean = property(lambda self: self.loc.mean(0))
    variance = property(lambda self: self.scale.square().mean(0))

    def entropy(self):
        return Independent(Normal(self.loc, self.scale), 1).entropy().mean()


@register_kl(Independent, Claims)
def _kl(q: Independent, p: Claims) -> torch.Tensor:
    """The mean of the divergences from the components is a bound, and not the divergence."""
    parts = Independent(Normal(p.loc, p.scale), 1)
    return torch.distributions.kl_divergence(q.expand([K]), parts).mean()


class WrongClaims(Mixture):
    def forward(self, encoder, context=None) -> Distribution:
        p = super().forward(encoder)
        claims = Claims(2, p._log_prob, p._draw)
        claims.loc, claims.scale = self.mu, (0.5 * self.log_var).exp()
        return claims


class BranchOnValues(Mixture):
    def log_mixture(self, z, mu, scale):
        if float(scale.detach().max()) > 1e6:
            scale = scale.clamp(max=1e6)
        return super().log_mixture(z, mu, scale)


class OneLabelForAll(ConditionalMoGPrior):
    """A whole batch is taken to have the label of its first example."""

    def __init__(self):
        super().__init__(2, 3, num_labels=3, spread=2.0)

    def forward(self, encoder=None, context=None):
        return super().forward(encoder, context[:1]).expand(context.labels.shape)


class OneDrawForAll(ConditionalMoGPrior):
    """The right densities, and samples of the first example for all data of a batch."""

    def __init__(self):
        super().__init__(2, 3, num_labels=3, spread=2.0)

    def forward(self, encoder=None, context=None):
        p = super().forward(encoder, context)
        draw = p.sample

        def sample(shape=()):
            z = draw(shape)
            return z[..., :1, :].expand_as(z).clone()

        p.sample = sample
        return p


SOME_LABELS = Context(labels=torch.tensor([2, 0]))

MORE_FAULTS = [
    Fault("one label for all data", OneLabelForAll, causes.ONE_FOR_ALL, context=SOME_LABELS),
    Fault("one draw for all data", OneDrawForAll, causes.ONE_FOR_ALL, context=SOME_LABELS),
    Fault("a component drawn per dimension", ComponentPerDimension, causes.COMPONENT_PER_DIMENSION),
    Fault("noise shared by the dimensions", SharedNoise, causes.SHARED_NOISE),
    Fault("one component for the whole batch", ComponentPerBatch, causes.BY_POSITION),
    Fault("components counted from one", CountedFromOne, causes.NEVER_DRAWN),
    Fault("means moved in sampling", MeansMoved, causes.SHIFTED),
    Fault("not summed over dimensions", NotSummed, causes.NOT_OF_VECTORS),
    Fault("single precision inside", SingleInside, causes.SINGLE),
    Fault("a temperature in sampling only", Heated, causes.SCALE_OTHER),
    Fault("centred on the batch", CentredOnTheBatch, causes.ENTANGLED),
    Fault("noise in the density", NoiseInTheDensity, causes.RANDOM_DENSITY),
    Fault("half of a gradient detached", HalfTheGradient, causes.WRONG_GRADIENT),
    Fault("a sum of exponentials", SumOfExponentials, causes.OVERFLOW),
    Fault("an unused parameter", UnusedParameter, causes.UNUSED),
    Fault("pseudo-inputs rounded", RoundedPseudoInputs, causes.STEP_BLOCKS),
    Fault("two names for one tensor", TwoNamesForOne, causes.SHARED_KEYS),
    Fault("a constant that is not saved", ConstantNotSaved, causes.NOT_SAVED),
    Fault("dropout inside", DropoutInside, causes.MODE),
    Fault("the encoder called for each density", EncodesForEachDensity, causes.ENCODED_TWICE),
    Fault("the encoder left in eval mode", LeavesTheEncoderInEval, causes.ENCODER_TOUCHED),
    Fault("torch reseeded", Reseeds, causes.RESEEDED),
    Fault("component draws from Python", PythonChoosesComponents, causes.PYTHON_GENERATOR),
    Fault("its own generator", AGeneratorOfItsOwn, causes.OTHER_GENERATOR),
    Fault("wrong closed forms", WrongClaims, causes.CLAIM),
    Fault("a branch on values", BranchOnValues, causes.UNTRACEABLE),
]
