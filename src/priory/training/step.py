"""What a training step is made of: the loss of a batch, its noise, and the average of weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from priory.data import Batch
from priory.distributions import loc_and_scale
from priory.importance_weighted import importance_weighted_loss
from priory.networks.context import Context
from priory.objectives import loss, reparameterised
from priory.training.settings import TrainingSettings
from priory.vae import VAE


@dataclass(frozen=True)
class SharedNoise:
    """The noise of a batch that several processes share, as a sampler of posteriors.

    The noise of the whole batch is drawn and sliced, so that any number of processes draws the
    same.

    Attributes:
        start: The number of examples before those of this process.
        total: The number of examples in the whole batch.
    """

    start: int
    total: int

    def __call__(self, q: Distribution, num_samples: int) -> Tensor:
        """Draw from posteriors with a gradient, `(S, B, L)`.

        Raises:
            TypeError: If the batch is shared and the posteriors are no diagonal Gaussians.
        """
        if self.total == q.batch_shape[0]:
            return reparameterised(q, num_samples)
        loc, scale = loc_and_scale(q)
        shape = (num_samples, self.total, loc.shape[-1])
        noise = torch.randn(shape, dtype=loc.dtype, device=loc.device)
        return loc + scale * noise[:, self.start : self.start + len(loc)]


class Step(nn.Module):
    """The loss of a batch as one forward pass, which precision, processes and the compiler wrap.

    Args:
        vae: The model.
        settings: How it is trained.
    """

    def __init__(self, vae: VAE, settings: TrainingSettings) -> None:
        super().__init__()
        self.vae = vae
        self.settings = settings
        self.needs_labels = vae.needs_labels

    def forward(self, batch: Batch, beta: float) -> Tensor:
        """Return the loss in nats per example, `()`."""
        settings, context = self.settings, self.context_of(batch)
        sampler = SharedNoise(batch.start, batch.total)
        if settings.objective == "importance-weighted":
            return importance_weighted_loss(
                self.vae, batch.x, settings.num_samples, context=context, sampler=sampler
            )
        return loss(
            self.vae,
            batch.x,
            settings.num_samples,
            beta=beta,
            free_bits=settings.free_bits,
            context=context,
            sampler=sampler,
        )

    def context_of(self, batch: Batch) -> Context:
        """Return what the model is told of a batch: which data it has, and their labels."""
        return Context(index=batch.position, labels=batch.labels if self.needs_labels else None)


class Average:
    """An exponential moving average of the weights of a model, which begins after a step.

    Args:
        vae: The model.
        decay: The share of the average that a step keeps.
    """

    def __init__(self, vae: VAE, decay: float) -> None:
        self.parameters: list[Tensor] = list(vae.parameters())
        self.decay = decay
        self.weights: list[Tensor] = []

    @torch.no_grad()
    def update(self) -> None:
        """Take up the weights of the model after a step."""
        if not self.weights:
            self.weights = [value.clone() for value in self.parameters]
            return
        torch._foreach_mul_(self.weights, self.decay)
        added = torch._foreach_mul(self.parameters, 1 - self.decay)
        torch._foreach_add_(self.weights, list(added))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for its weights within a block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, value in zip(self.weights, self.parameters, strict=True):
            kept = value.clone()
            value.copy_(average)
            average.copy_(kept)


def seed_noise(seed: int) -> None:
    """Seed torch's generators of the CPU and of those GPUs that are in use.

    `torch.manual_seed` does more, for devices that are not, and takes milliseconds for it.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
