"""A VAE as Lightning trains it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from priory.data import Batch, Batches, Splits
from priory.data.splits import mix
from priory.distributions import loc_and_scale
from priory.distributions.torch_distributions import without_argument_checks
from priory.evaluation import components_in_use
from priory.extras import needs
from priory.importance_weighted import importance_weighted_loss
from priory.networks.context import Context
from priory.objectives import elbo, loss, reparameterised
from priory.priors import Reseedable
from priory.training.settings import OPTIMIZERS, TrainingSettings
from priory.vae import VAE

with needs("train"):
    from lightning.pytorch import LightningModule


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


class Training(LightningModule):
    """One VAE, its loss, its optimiser and its noise.

    The noise of a training step is drawn anew from (seed, epoch, step), and that of validation is
    the same every time, so that early stopping follows the model and not the dice.

    Distributions check their arguments in validation and in the first epoch, also in the first that
    a resumed run trains; later a step looks at the loss alone.

    Args:
        vae: The model.
        splits: The data.
        settings: How to train it.

    Raises:
        ValueError: If components are to be re-seeded, and the prior has none that can be.

    """

    def __init__(self, vae: VAE, splits: Splits, settings: TrainingSettings) -> None:
        super().__init__()
        if settings.reseed_every is not None and not isinstance(vae.prior, Reseedable):
            raise ValueError(
                "expected a prior whose components can be re-seeded, such as a VampPrior, got "
                f"{type(vae.prior).__name__}; leave reseed_every out."
            )
        self.vae = vae
        self.settings = settings
        batch_size = settings.batch_size_for(len(splits.train))
        self.train_batches = Batches(splits.train, batch_size, seed=settings.seed)
        self.validation_batches = Batches(splits.validation, max(batch_size, 1024))
        self.needs_labels = vae.needs_labels
        self._prior: Distribution | None = None
        self._unseen = True  # no epoch is over yet, so that data may still be wrong
        self._loss, self._data = torch.zeros(()), 0  # of the epoch so far

    def setup(self, stage: str) -> None:
        """Tell the batches which of how many processes this is."""
        for batches in (self.train_batches, self.validation_batches):
            batches.set_process(self.global_rank, self.trainer.world_size)

    def train_dataloader(self) -> Batches:
        """Return the batches to train on."""
        return self.train_batches

    def val_dataloader(self) -> Batches:
        """Return the batches to validate on."""
        return self.validation_batches

    def on_train_epoch_start(self) -> None:
        """Tell the batches which epoch this is, and re-seed components where that is due."""
        self.train_batches.set_epoch(self.current_epoch)
        self._loss, self._data = torch.zeros((), device=self.device), 0
        every = self.settings.reseed_every
        if every is not None and self.current_epoch > 0 and self.current_epoch % every == 0:
            self._reseed()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch, in nats per datum; the model is told which data it has."""
        settings = self.settings
        context = Context(index=batch.position, labels=batch.labels if self.needs_labels else None)
        sampler = SharedNoise(batch.start, batch.total)
        seed_noise(mix(settings.seed, self.current_epoch, batch_index))
        with (
            self._explained(batch.x, context, f"batch {batch_index}"),
            nullcontext() if self._unseen else without_argument_checks(),
        ):
            if settings.objective == "elbo":
                value = loss(
                    self.vae,
                    batch.x,
                    settings.num_samples,
                    beta=settings.beta_at(self.current_epoch),
                    free_bits=settings.free_bits,
                    context=context,
                    sampler=sampler,
                )
            else:
                value = importance_weighted_loss(
                    self.vae, batch.x, settings.num_samples, context=context, sampler=sampler
                )
            if not value.isfinite():
                raise FloatingPointError(f"{value.item()}")
        self._loss += value.detach() * len(batch.x)
        self._data += len(batch.x)
        # Processes average their gradients, whatever the size of their shares.
        processes = self.trainer.world_size if len(batch.x) < batch.total else 1
        return value * (len(batch.x) * processes / batch.total)

    def on_train_epoch_end(self) -> None:
        """Log the loss of the epoch, once: to log each step would cost as much as a small model."""
        self._unseen = False
        mean = self._loss / self._data
        self.log("train_loss", mean, batch_size=self._data, sync_dist=self._many)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_index: int
    ) -> Batch:
        """Move the tensors of a batch."""
        if device.type == "cpu":
            return batch
        labels = None if batch.labels is None else batch.labels.to(device)
        x, position = batch.x.to(device), batch.position.to(device)
        return Batch(x, position, labels, batch.start, batch.total)

    def on_validation_epoch_start(self) -> None:
        """Call the prior once for all batches."""
        with self._explained(None, None, "validation"):
            self._prior = None if self.needs_labels else self.vae.prior_distribution()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the ELBO and its terms on validation data, in nats per datum."""
        context = self.vae.context_of(batch.labels)
        seed_noise(mix(self.settings.seed, batch_index))
        sampler = SharedNoise(batch.start, batch.total)
        with self._explained(batch.x, context, f"validation batch {batch_index}"):
            terms = elbo(self.vae, batch.x, context=context, prior=self._prior, sampler=sampler)
        parts = {
            "elbo": terms.elbo.mean(),
            "reconstruction": terms.reconstruction.mean(),
            "rate": terms.rate.mean(),
        }
        if self._prior is not None and batch_index == 0:
            z = self.vae.posterior(batch.x, context).sample()
            used = components_in_use(self._prior, z)
            if used is not None:
                self.log("components_in_use", used, batch_size=len(batch.x), sync_dist=self._many)
        self.log_dict(parts, batch_size=len(batch.x), sync_dist=self._many)

    def on_validation_epoch_end(self) -> None:
        """Forget the prior, which changes with the next step."""
        self._prior = None

    def configure_optimizers(self) -> Any:
        """Return the optimiser over all that is learned, and its schedule."""
        settings = self.settings
        optimizer = OPTIMIZERS[settings.optimizer](
            self.vae, settings.learning_rate, settings.weight_decay
        )
        if settings.schedule == "constant":
            return optimizer
        steps = settings.max_epochs * len(self.train_batches)

        def share_left(step: int) -> float:
            return 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share_left)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _reseed(self) -> None:
        """Let components that no datum uses start again."""
        part = self.train_batches.part
        seed_noise(mix(self.settings.seed, self.current_epoch))
        x = part.tensor().to(self.device)
        labels = None if part.labels is None else part.labels.to(self.device)
        context = self.vae.context_of(labels)
        cast(Reseedable, self.vae.prior).reseed(x, self.vae.encoder, context)

    @property
    def _many(self) -> bool:
        return self.trainer.world_size > 1

    @contextmanager
    def _explained(self, x: Tensor | None, context: Context | None, where: str) -> Iterator[None]:
        """Let an error that comes of numbers that are not finite say where and from which term."""
        try:
            yield
        except (FloatingPointError, ValueError, RuntimeError) as error:
            # Torch refuses NaN with the others; one of anything would fail again with these data.
            culprits = self._culprits(None if isinstance(error, RuntimeError) else x, context)
            ours = isinstance(error, FloatingPointError)
            if not ours and not culprits:
                raise
            got = error if ours else "nan"
            raise FloatingPointError(
                f"expected a finite loss, got {got} in epoch {self.current_epoch}, {where}, from "
                f"the {' and the '.join(culprits) or 'gradient of the step before'}; lower the "
                "learning rate, clip the gradient or warm up beta."
            ) from error

    @torch.no_grad()
    def _culprits(self, x: Tensor | None, context: Context | None) -> list[str]:
        """Return what is not finite: weights, or else terms of the loss."""
        broken = [name for name, value in self.vae.named_parameters() if not value.isfinite().all()]
        if broken:
            return [f"weights {broken[0]} after the step before"]
        if x is None:
            return []
        q = p = None
        try:
            q = self.vae.posterior(x, context)
            p = self.vae.prior_distribution(context)
            self.vae.likelihood(q.sample(), context)
        except ValueError as error:
            term = "posterior q(z|x)" if q is None else "prior p(z)" if p is None else "p(x|z)"
            return [term] if "constraint" in str(error) else []
        terms = elbo(self.vae, x, context=context)
        both = (("reconstruction", terms.reconstruction), ("rate", terms.rate))
        return [name for name, term in both if not term.isfinite().all()]


def seed_noise(seed: int) -> None:
    """Seed torch's generators of the CPU and of those GPUs that are in use.

    `torch.manual_seed` does more, for devices that are not, and takes milliseconds for it.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
