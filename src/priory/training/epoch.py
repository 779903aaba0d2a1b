"""One epoch of training, and one look at the validation data."""

import math
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from priory.data import Batch, Batches
from priory.data.splits import mix
from priory.distributions.torch_distributions import without_argument_checks
from priory.evaluation import components_in_use
from priory.extras import needs
from priory.networks.modes import evaluation_mode
from priory.objectives import elbo
from priory.priors import Reseedable
from priory.training.curves import Row
from priory.training.faults import ADVICE, explained
from priory.training.step import Average, SharedNoise, Step, seed_noise

with needs("train"):
    from lightning.fabric import Fabric
    from lightning.fabric.plugins import MixedPrecision


def train_epoch(
    step: Step,
    loss_of: nn.Module,
    optimizer: Optimizer,
    average: Average | None,
    batches: Batches,
    fabric: Fabric,
    epoch: int,
    checked: bool,
) -> float:
    """Take a step with each batch and return the mean loss, in nats per example.

    Several processes call `loss_of` for `step`, and distributions may have their arguments checked.
    """
    vae, settings, steps = step.vae, step.settings, len(batches)
    batches.set_epoch(epoch)
    if settings.reseed_every is not None and epoch and epoch % settings.reseed_every == 0:
        seed_noise(mix(settings.seed, epoch))
        part, n = batches.part, len(batches.part)
        whole = at_home(Batch(part.tensor(), torch.arange(n), part.labels, 0, n), fabric)
        cast(Reseedable, vae.prior).reseed(whole.x, vae.encoder, vae.context_of(whole.labels))
    total, count = torch.zeros((), device=fabric.device), 0
    for index, batch in enumerate(batches):
        batch = at_home(batch, fabric)
        seed_noise(mix(settings.seed, epoch, index))
        with (
            explained(vae, batch.x, step.context_of(batch), epoch, f"batch {index}"),
            nullcontext() if checked else without_argument_checks(),
        ):
            with autocast(fabric):
                loss = loss_of(batch, settings.beta_at(epoch))
            if not loss.isfinite():
                raise FloatingPointError(f"{loss.item()}")
        total += loss.detach() * len(batch.x)
        count += len(batch.x)
        # Processes average their gradients, whatever the size of their shares.
        sharing = fabric.world_size if len(batch.x) < batch.total else 1
        fabric.backward(loss * (len(batch.x) * sharing / batch.total))
        if (norm := settings.gradient_clip) is not None:
            fabric.clip_gradients(step, optimizer, max_norm=norm, error_if_nonfinite=False)
        if settings.schedule != "constant":
            progress = (epoch * steps + index) / (settings.max_epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.share_at(progress)
        fabric.strategy.optimizer_step(optimizer)
        optimizer.zero_grad()
        if average is not None:
            average.update()
    return mean(total, count, fabric)


@torch.no_grad()
def validate(step: Step, batches: Batches, fabric: Fabric, epoch: int) -> Row:
    """Return the ELBO and its terms on validation data, in nats per example.

    Raises:
        FloatingPointError: If the ELBO is not finite.
    """
    vae, sums = step.vae, dict[str, tuple[Tensor, int]]()
    with evaluation_mode(vae.modules()):
        with explained(vae, None, None, epoch, "validation"):
            prior = None if step.needs_labels else vae.prior_distribution()
        for index, batch in enumerate(batches):
            batch = at_home(batch, fabric)
            context, sampler = vae.context_of(batch.labels), SharedNoise(batch.start, batch.total)
            seed_noise(mix(step.settings.seed, index))
            where = f"validation batch {index}"
            with explained(vae, batch.x, context, epoch, where), autocast(fabric):
                terms = elbo(vae, batch.x, context=context, prior=prior, sampler=sampler)
                means = {
                    "elbo": terms.elbo.mean(),
                    "reconstruction": terms.reconstruction.mean(),
                    "rate": terms.rate.mean(),
                }
                if prior is not None and index == 0:
                    used = components_in_use(prior, vae.posterior(batch.x, context).sample())
                    if used is not None:
                        means["components_in_use"] = torch.tensor(used, device=fabric.device)
            for name, value in means.items():
                total, count = sums.get(name, (torch.zeros_like(value), 0))
                sums[name] = total + value * len(batch.x), count + len(batch.x)
    row = {name: mean(total, count, fabric) for name, (total, count) in sums.items()}
    if not math.isfinite(row["elbo"]):
        culprits = [term for term in ("reconstruction", "rate") if not math.isfinite(row[term])]
        raise FloatingPointError(
            f"expected a finite validation ELBO, got {row['elbo']} after epoch {epoch}, from the "
            f"{' and the '.join(culprits)}; {ADVICE}"
        )
    return row


def mean(total: Tensor, count: int, fabric: Fabric) -> float:
    """Return the mean over all processes of what each has the sum and the number of."""
    if fabric.world_size == 1:
        return float(total / count)
    counts = torch.tensor(count, device=fabric.device)
    summed: Any = fabric.all_reduce([total, counts], reduce_op="sum")
    return float(summed[0] / summed[1])


def at_home(batch: Batch, fabric: Fabric) -> Batch:
    """Return a batch on the device, and as precise as the weights."""
    precision, device = fabric.strategy.precision, fabric.device
    x = batch.x if isinstance(precision, MixedPrecision) else precision.convert_input(batch.x)
    labels = None if batch.labels is None else batch.labels.to(device)
    return batch._replace(x=x.to(device), position=batch.position.to(device), labels=labels)


def autocast(fabric: Fabric) -> Any:
    """Return the context of a forward pass, where weights are cast anew each time.

    A weight that is used twice then adds its two gradients up in full precision.
    """
    precision = fabric.strategy.precision
    if not isinstance(precision, MixedPrecision):
        return fabric.autocast()
    dtype = torch.bfloat16 if precision.precision == "bf16-mixed" else torch.float16
    return torch.autocast(fabric.device.type, dtype=dtype, cache_enabled=False)
