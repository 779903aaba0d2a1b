"""Wrong priors whose fault hides: in one mode, one shape, one regime, or in what draws share."""

from typing import ClassVar

import torch
from torch import Size, Tensor, nn
from torch.distributions import Independent, Normal, register_kl

from faulty_priors import Fault, Mixture, Vamp
from priory import ConditionalMoGPrior, Context
from priory.testing import causes


class DetachedInTraining(Mixture):
    def log_mixture(self, z, mu, scale):
        return super().log_mixture(z.detach() if self.training else z, mu, scale)


class MeansDetachedInTraining(Mixture):
    def parts(self, encoder):
        return self.mu.detach() if self.training else self.mu, self.log_var


class WiderInTraining(Mixture):
    def sample_scale(self, log_var):
        return super().sample_scale(log_var) * (1.2 if self.training else 1.0)


class NarrowerInEvaluation(Mixture):
    def sample_scale(self, log_var):
        return super().sample_scale(log_var) * (1.0 if self.training else 0.8)


class KeptInEvaluation(Mixture):
    kept = None

    def parts(self, encoder):
        if self.training or self.kept is None:
            self.kept = self.mu + 0.0, self.log_var + 0.0
        return self.kept


class KeptForItsEncoder(Vamp):
    kept: ClassVar[tuple] = (None, None)

    def forward(self, encoder, context=None):
        if self.kept[0] != id(encoder):
            self.kept = (id(encoder), super().forward(encoder))
        return self.kept[1]


class Shaped(Mixture):
    """A right mixture whose draws a subclass arranges: `arrange(draw, shape)` returns them all."""

    def forward(self, encoder, context=None):
        p = super().forward(encoder)
        draw = p._draw

        def sample(shape=()):
            z = self.arrange(draw, Size(shape))
            return z.reshape(*shape, *p.event_shape).detach()

        p.sample = sample
        return p


class SharedAlongTheLast(Shaped):
    """One component for each of the first places of `sample_shape`."""

    along = -1

    def arrange(self, draw, shape):
        if len(shape) < 2:
            return draw(shape.numel())
        k = super().choose(shape.numel()).reshape(shape)
        k = k.select(self.along, 0).unsqueeze(self.along).expand(shape).flatten()
        return torch.normal(self.mu[k], self.sample_scale(self.log_var)[k])


class SharedAlongTheFirst(SharedAlongTheLast):
    along = 0


class LastIgnored(Shaped):
    def arrange(self, draw, shape):
        if len(shape) < 2:
            return draw(shape.numel())
        return draw(shape[:-1].numel()).unsqueeze(1).expand(-1, shape[-1], -1)


class EachTwice(Shaped):
    def arrange(self, draw, shape):
        count = shape.numel()
        return draw((count + 1) // 2).repeat_interleave(2, 0)[:count]


class Antithetic(Mixture):
    """Noise and its mirror image, one half after the other."""

    def draw(self, count, mu, scale):
        half = (count + 1) // 2
        k = self.choose(half).repeat(2)[:count]
        noise = torch.randn(half, mu.shape[-1], dtype=mu.dtype)
        return mu[k] + scale[k] * torch.cat([noise, -noise])[:count]


class AntitheticPairs(Mixture):
    """Each noise and then its mirror image, with components of their own."""

    def draw(self, count, mu, scale):
        k = self.choose(count)
        noise = torch.randn((count + 1) // 2, mu.shape[-1], dtype=mu.dtype)
        return mu[k] + scale[k] * torch.stack([noise, -noise], 1).flatten(0, 1)[:count]


class Chain(Mixture):
    """Each draw stays where the one before was with a chance of a half, and moves inside."""

    def draw(self, count, mu, scale):
        z, stay = super().draw(count, mu, scale), torch.rand(count) < 0.5
        k, kept = self.choose(count), []
        for i in range(count):
            kept.append(kept[-1] if i and stay[i] else int(k[i]))
        k = torch.tensor(kept, dtype=torch.long)
        return mu[k] + scale[k] * torch.randn_like(z)


class Unfair(Independent):
    """`rsample` has noise of its own."""

    def rsample(self, sample_shape=()):
        return 1.2 * (super().rsample(sample_shape) - self.mean) + self.mean

    def sample(self, sample_shape=()):
        with torch.no_grad():
            return super().rsample(sample_shape)


class ScaleDetached(Independent):
    def rsample(self, sample_shape=()):
        noise = torch.randn(*sample_shape, *self.event_shape, dtype=self.mean.dtype)
        return self.mean + self.stddev.detach() * noise


class NeverExpanded(Independent):
    def expand(self, batch_shape, _instance=None):
        return self


class ExpandedInName(Independent):
    """`expand` makes a new one, whose batch is the old one."""

    def expand(self, batch_shape, _instance=None):
        new = type(self)(self.base_dist.expand(self.base_dist.batch_shape), 1)
        new._event_shape = self.event_shape
        return new


class MeanOverTheBatch(Independent):
    @property
    def mean(self):
        mean = super().mean
        return mean if mean.dim() == 1 else mean.flatten(0, -2).sum(0).expand_as(mean)


class WrongEntropy(Independent):
    def entropy(self):
        return self.base_dist.entropy().mean(-1)


class SummedDivergence(Independent):
    """Its divergence from one Gaussian is right, and from several the sum of theirs."""


@register_kl(Independent, SummedDivergence)
def _summed(q: Independent, p: SummedDivergence) -> Tensor:
    return torch.distributions.kl_divergence(q.base_dist, p.base_dist).sum()


class Gaussian(nn.Module):
    """A diagonal Gaussian, as a distribution of a given kind."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.loc, self.log_scale = (nn.Parameter(torch.zeros(2)) for _ in range(2))

    def forward(self, encoder, context=None):
        return self.kind(Normal(self.loc, self.log_scale.exp()), 1)


class DrawsInItsDensity(Mixture):
    def log_mixture(self, z, mu, scale):
        torch.randn(3)
        return super().log_mixture(z, mu, scale)


class SeedsInItsDensity(Mixture):
    def log_mixture(self, z, mu, scale):
        torch.manual_seed(0)
        return super().log_mixture(z, mu, scale)


class Projected(Mixture):
    """Log-variances are held above -1 by hand."""

    def forward(self, encoder, context=None):
        with torch.no_grad():
            self.log_var.clamp_(min=-1.0)
        return super().forward(encoder)


class CountsItsCalls(Mixture):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def log_mixture(self, z, mu, scale):
        self.calls += 1
        return super().log_mixture(z, mu, scale)


class ByLabel(ConditionalMoGPrior):
    """A right mixture for each label, whose labels a subclass reads in its own way."""

    def __init__(self):
        super().__init__(2, 3, num_labels=3, spread=2.0)

    def forward(self, encoder=None, context=None):
        return super().forward(encoder, Context(labels=self.read(context.labels)))


class LabelsSorted(ByLabel):
    def read(self, labels):
        return labels.sort().values


class LabelsReversed(ByLabel):
    def read(self, labels):
        return labels.flip(0)


class LabelIgnored(ByLabel):
    def read(self, labels):
        return torch.zeros_like(labels)


class LabelsKept(ByLabel):
    kept = None

    def read(self, labels):
        if self.kept is None or self.kept.shape != labels.shape:
            self.kept = labels
        return self.kept


TWO_LABELS = Context(labels=torch.tensor([0, 2]))

HIDDEN_FAULTS = [
    Fault("z detached in training", DetachedInTraining, causes.Z_DETACHED),
    Fault("means detached in training", MeansDetachedInTraining, causes.STEP_BLOCKS),
    Fault("wider samples in training", WiderInTraining, causes.MODE_SAMPLER),
    Fault("narrower samples in evaluation", NarrowerInEvaluation, causes.MODE_SAMPLER),
    Fault("cached forever in evaluation", KeptInEvaluation, causes.CACHED),
    Fault("cached for its encoder", KeptForItsEncoder, causes.CACHED),
    Fault("a component shared along the last dimension", SharedAlongTheLast, causes.SAMPLE_SHAPE),
    Fault("a component shared along the first dimension", SharedAlongTheFirst, causes.SAMPLE_SHAPE),
    Fault("the last dimension of sample_shape ignored", LastIgnored, causes.SAMPLE_SHAPE),
    Fault("each draw twice", EachTwice, causes.DUPLICATED),
    Fault("antithetic halves", Antithetic, causes.MIRRORED),
    Fault("antithetic pairs", AntitheticPairs, causes.MIRRORED),
    Fault("a chain", Chain, causes.CHAINED),
    Fault("rsample of another law", lambda: Gaussian(Unfair), causes.RSAMPLE_LAW),
    Fault("rsample without its scales", lambda: Gaussian(ScaleDetached), causes.RSAMPLE_GRADIENT),
    Fault("expand does nothing", lambda: Gaussian(NeverExpanded), causes.EXPAND),
    Fault("expand to the old batch", lambda: Gaussian(ExpandedInName), causes.EXPAND),
    Fault("a mean over the batch", lambda: Gaussian(MeanOverTheBatch), causes.BATCH_CLAIM),
    Fault("divergence summed", lambda: Gaussian(SummedDivergence), causes.BATCH_CLAIM),
    Fault("a wrong entropy", lambda: Gaussian(WrongEntropy), causes.CLAIM),
    Fault("log_prob draws", DrawsInItsDensity, causes.DENSITY_DRAWS),
    Fault("log_prob seeds", SeedsInItsDensity, causes.RESEEDED),
    Fault("parameters projected in place", Projected, causes.IN_PLACE),
    Fault("a buffer that counts", CountsItsCalls, causes.IN_PLACE),
    Fault("labels sorted", LabelsSorted, causes.LABELS_MOVED, context=TWO_LABELS),
    Fault("labels reversed", LabelsReversed, causes.LABELS_MOVED, context=TWO_LABELS),
    Fault("labels ignored", LabelIgnored, causes.LABEL_IGNORED, context=TWO_LABELS),
    Fault("labels kept", LabelsKept, causes.CACHED, context=TWO_LABELS),
]
