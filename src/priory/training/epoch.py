"""A training step, an epoch of steps, and a validation pass."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Size, Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from priory.data import Batch, Batches
from priory.data.splits import mix
from priory.distributions import JointDistribution, loc_and_scale, top_of
from priory.distributions.torch_distributions import without_argument_checks
from priory.evaluation import components_in_use
from priory.extras import needs
from priory.importance_weighted import importance_weighted_loss
from priory.networks.context import Context
from priory.objectives import elbo, loss, reparameterised
from priory.priors import Reseedable
from priory.training.curves import OF_A_LEVEL
from priory.training.settings import TrainingSettings
from priory.vae import VAE

with needs("train"):
    from lightning.fabric import Fabric
    from lightning.fabric.plugins import MixedPrecision

ADVICE = "lower the learning rate, clip the gradient or warm up beta."


@dataclass(frozen=True)
class SharedNoise:
    """A sampler of posteriors whose noise is shared by several processes.

    The noise of the whole batch is drawn and sliced, so that it does not depend on the number of
    processes.

    Attributes:
        start: The number of examples before those of this process.
        total: The number of examples in the whole batch.
    """

    start: int
    total: int

    def __call__(self, q: Distribution, num_samples: int) -> Tensor:
        """Draw from posteriors with gradients, `(S, B, L)`.

        Raises:
            TypeError: If the batch is shared and the posteriors are neither diagonal Gaussians nor
                levels of them.
        """
        if self.total == q.batch_shape[0]:
            return reparameterised(q, num_samples)
        shape = Size((num_samples,))
        if isinstance(q, JointDistribution):
            return q.draw(self._share, shape)
        return self._share(q, shape)

    def _share(self, q: Distribution, sample_shape: Size) -> Tensor:
        """Draw from posteriors whose batch ends with the examples of this process."""
        loc, scale = loc_and_scale(q)
        *before, count, dims = (*sample_shape, *loc.shape)
        noise = torch.randn((*before, self.total, dims), dtype=loc.dtype, device=loc.device)
        return loc + scale * noise[..., self.start : self.start + count, :]


class Step(nn.Module):
    """The loss of a batch as one forward pass, for wrappers (precision, processes, compiler).

    Args:
        vae: The model.
        settings: The training settings.
    """

    def __init__(self, vae: VAE, settings: TrainingSettings) -> None:
        super().__init__()
        self.vae = vae
        self.settings = settings
        self.needs_labels = vae.needs_labels

    def forward(self, batch: Batch, beta: float | Sequence[float]) -> Tensor:
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
            gradient=settings.gradient,
        )

    def context_of(self, batch: Batch) -> Context:
        """Return the context of a batch: positions, and the annotations that the model needs."""
        return replace(self.vae.context_of(**batch.annotations), index=batch.position)


def train_epoch(
    step: Step,
    loss_of: nn.Module,
    optimizer: Optimizer,
    after_step: Callable[[], None] | None,
    batches: Batches,
    fabric: Fabric,
    epoch: int,
    checked: bool,
) -> float:
    """Take a step with each batch and return the mean loss, in nats per example.

    Several processes call `loss_of` for `step`. Distributions may validate their arguments.
    """
    vae, settings, steps = step.vae, step.settings, len(batches)
    batches.set_epoch(epoch)
    if settings.reseed_every is not None and epoch and epoch % settings.reseed_every == 0:
        seed_noise(mix(settings.seed, epoch))
        part, n = batches.part, len(batches.part)
        whole = at_home(
            Batch(part.tensor(), torch.arange(n), start=0, total=n, **part.annotations), fabric
        )
        context = vae.context_of(**whole.annotations)
        cast(Reseedable, vae.prior).reseed(whole.x, vae.encoder, context)
    total, count = torch.zeros((), device=fabric.device), 0
    for index, batch in enumerate(batches):
        batch = at_home(batch, fabric)
        seed_noise(mix(settings.seed, epoch, index))
        with (
            explained(vae, batch.x, step.context_of(batch), epoch, f"batch {index}"),
            nullcontext() if checked else without_argument_checks(),
        ):
            with autocast(fabric):
                value = loss_of(batch, settings.beta_at(epoch))
            if not value.isfinite():
                raise FloatingPointError(f"{value.item()}")
        total += value.detach() * len(batch.x)
        count += len(batch.x)
        # Processes average their gradients, whatever the sizes of their shares.
        sharing = fabric.world_size if len(batch.x) < batch.total else 1
        fabric.backward(value * (len(batch.x) * sharing / batch.total))
        if (norm := settings.gradient_clip) is not None:
            fabric.clip_gradients(step, optimizer, max_norm=norm, error_if_nonfinite=False)
        if settings.schedule != "constant":
            progress = (epoch * steps + index) / (settings.max_epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.share_at(progress)
        fabric.strategy.optimizer_step(optimizer)
        optimizer.zero_grad()
        if after_step is not None:
            after_step()
    return mean(total, count, fabric)


@torch.no_grad()
def validate(step: Step, batches: Batches, fabric: Fabric, epoch: int) -> dict[str, float]:
    """Return the ELBO and its terms on validation data, in nats per example.

    Raises:
        FloatingPointError: If the ELBO is not finite.
    """
    vae, sums = step.vae, dict[str, tuple[Tensor, int]]()
    in_training = [module for module in vae.modules() if module.training]
    vae.eval()
    try:
        with explained(vae, None, None, epoch, "validation"):
            prior = None if step.needs_labels else vae.prior_distribution()
        for index, batch in enumerate(batches):
            batch = at_home(batch, fabric)
            context = vae.context_of(**batch.annotations)
            sampler = SharedNoise(batch.start, batch.total)
            seed_noise(mix(step.settings.seed, index))
            where = f"validation batch {index}"
            with explained(vae, batch.x, context, epoch, where), autocast(fabric):
                terms = elbo(vae, batch.x, context=context, prior=prior, sampler=sampler)
                means = {
                    "elbo": terms.elbo.mean(),
                    "reconstruction": terms.reconstruction.mean(),
                    "rate": terms.rate.mean(),
                }
                if len(terms.rates) > 1:
                    levels = enumerate(terms.rates, 1)
                    means |= {f"{OF_A_LEVEL}{level}": rate.mean() for level, rate in levels}
                if prior is not None and index == 0:
                    z = top_of(vae.posterior(batch.x, context)).sample()
                    used = components_in_use(top_of(prior), z)
                    if used is not None:
                        means["components_in_use"] = torch.tensor(used, device=fabric.device)
            for name, value in means.items():
                total, count = sums.get(name, (torch.zeros_like(value), 0))
                sums[name] = total + value * len(batch.x), count + len(batch.x)
    finally:
        for module in in_training:
            module.training = True
    row = {name: mean(total, count, fabric) for name, (total, count) in sums.items()}
    if not math.isfinite(row["elbo"]):
        culprits = [term for term in ("reconstruction", "rate") if not math.isfinite(row[term])]
        raise FloatingPointError(
            f"expected a finite validation ELBO, got {row['elbo']} after epoch {epoch}, from the "
            f"{' and the '.join(culprits)}; {ADVICE}"
        )
    return row


def mean(total: Tensor, count: int, fabric: Fabric) -> float:
    """Return the mean over all processes, from each one's sum and count."""
    if fabric.world_size == 1:
        return float(total / count)
    counts = torch.tensor(count, device=fabric.device)
    summed: Any = fabric.all_reduce([total, counts], reduce_op="sum")
    return float(summed[0] / summed[1])


def at_home(batch: Batch, fabric: Fabric) -> Batch:
    """Return a batch on the device, in the precision of the weights."""
    precision, device = fabric.strategy.precision, fabric.device
    x = batch.x if isinstance(precision, MixedPrecision) else precision.convert_input(batch.x)
    annotations: Any = {
        name: None if t is None else t.to(device) for name, t in batch.annotations.items()
    }
    return batch._replace(x=x.to(device), position=batch.position.to(device), **annotations)


def autocast(fabric: Fabric) -> Any:
    """Return the context of a forward pass, in which weights are cast each time.

    The two gradients of a weight that is used twice are then added in full precision.
    """
    precision = fabric.strategy.precision
    if not isinstance(precision, MixedPrecision):
        return fabric.autocast()
    dtype = torch.bfloat16 if precision.precision == "bf16-mixed" else torch.float16
    return torch.autocast(fabric.device.type, dtype=dtype, cache_enabled=False)


def seed_noise(seed: int) -> None:
    """Seed torch's generators for the CPU and for the GPUs in use.

    `torch.manual_seed` also seeds unused devices, which takes milliseconds.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def explained(
    vae: VAE, x: Tensor | None, context: Context | None, epoch: int, where: str
) -> Iterator[None]:
    """Make errors caused by non-finite numbers say where and from which term they come.

    Raises:
        FloatingPointError: If the block raises one, or fails because of non-finite numbers.
    """
    try:
        yield
    except (FloatingPointError, ValueError, RuntimeError) as error:
        # Torch reports NaN like other errors; a different error would happen again with these data.
        culprits = _culprits(vae, None if isinstance(error, RuntimeError) else x, context)
        ours = isinstance(error, FloatingPointError)
        if not ours and not culprits:
            raise
        raise FloatingPointError(
            f"expected a finite loss, got {error if ours else 'nan'} in epoch {epoch}, {where}, "
            f"from the {' and the '.join(culprits) or 'gradient of the previous step'}; {ADVICE}"
        ) from error


@torch.no_grad()
def _culprits(vae: VAE, x: Tensor | None, context: Context | None) -> list[str]:
    """Return what is not finite: weights, or else terms of the loss."""
    broken = [name for name, value in vae.named_parameters() if not value.isfinite().all()]
    if broken:
        return [f"weights {broken[0]} after the previous step"]
    if x is None:
        return []
    q = p = None
    try:
        q = vae.posterior(x, context)
        p = vae.prior_distribution(context)
        vae.likelihood(q.sample(), vae.with_exposure(x, context))
    except ValueError as error:
        term = "posterior q(z|x)" if q is None else "prior p(z)" if p is None else "p(x|z)"
        return [term] if "constraint" in str(error) else []
    terms = elbo(vae, x, context=context)
    both = (("reconstruction", terms.reconstruction), ("rate", terms.rate))
    return [name for name, term in both if not term.isfinite().all()]
