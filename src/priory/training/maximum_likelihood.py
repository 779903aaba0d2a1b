"""The loop that fits a prior to samples of z."""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from priory.data.splits import mix
from priory.extras import needs
from priory.networks.calls import Encoder
from priory.networks.context import Context
from priory.priors import Prior
from priory.processes import Processes
from priory.training.latents import Samples
from priory.training.prior_fit import HowToFit

with needs("train"):
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

COLUMNS = (
    "{task.description}",
    "epoch {task.completed:4.0f}   best held-out cross-entropy {task.fields[best]:8.3f}",
)

Batches = Callable[[int], Iterable[tuple[Tensor, Context]]]
"""Returns the batches of an epoch, in an order determined by a seed: samples of z, `(B, L)`, and
their context.
"""


def maximise_likelihood(
    prior: Prior, encoder: Encoder | None, batches: Batches, held_out: Samples, how: HowToFit
) -> int:
    """Train a prior until its held-out cross-entropy no longer falls, and keep the best state.

    Args:
        prior: The prior; it is trained in place and left in evaluation mode.
        encoder: The encoder that the prior is called with; only the prior's parameters are trained.
        batches: The samples to fit.
        held_out: Samples for early stopping.
        how: How to train.

    Returns:
        The number of epochs trained; zero if there is nothing to learn.

    Raises:
        FloatingPointError: If the cross-entropy is no longer finite.
    """
    optimizer = optimizer_of(prior, how.learning_rate)
    if optimizer is None:
        return 0
    best, best_epoch, epoch = held_out.score(prior, encoder).value, 0, 0
    state = copy.deepcopy(prior.state_dict())
    columns = (*map(TextColumn, COLUMNS), TimeElapsedColumn())
    with Progress(*columns, console=how.console, refresh_per_second=4) as progress:
        task = progress.add_task(f"{type(prior).__name__:<16}", total=how.max_epochs, best=best)
        while epoch < how.max_epochs and epoch - best_epoch < how.patience:
            epoch_batches = batches(mix(how.seed, epoch))
            train_epoch(prior, encoder, epoch_batches, optimizer, how.processes)
            epoch += 1
            value = held_out.score(prior, encoder).value
            if value < best:
                best, best_epoch, state = value, epoch, copy.deepcopy(prior.state_dict())
            progress.update(task, completed=epoch, best=best)
    prior.load_state_dict(state)
    prior.eval()
    return epoch


def optimizer_of(prior: Prior, learning_rate: float) -> torch.optim.Adam | None:
    """Return an optimiser for a prior's parameters; None if there are none to train."""
    learned = [parameter for parameter in prior.parameters() if parameter.requires_grad]
    if not learned:
        return None
    # In half precision Adam's default 1e-8 is zero, and parameters without a gradient become NaN.
    eps = max(1e-8, *(torch.finfo(parameter.dtype).tiny for parameter in learned))
    return torch.optim.Adam(learned, learning_rate, eps=eps)


def train_epoch(
    prior: Prior,
    encoder: Encoder | None,
    batches: Iterable[tuple[Tensor, Context]],
    optimizer: torch.optim.Adam,
    processes: Processes,
) -> None:
    """Take an optimiser step for each batch, divided among the processes."""
    learned = optimizer.param_groups[0]["params"]
    prior.train()
    for z, context in batches:
        rows, share = _share(processes, len(z))
        loss = -share * prior(encoder, context[rows].to(z.device)).log_prob(z[rows]).mean()
        optimizer.zero_grad()
        loss.backward(inputs=learned)  # a plain function may contain a network
        gradients = [p.grad for p in learned if p.grad is not None]
        processes.sum_in_place(loss.detach(), *gradients)
        if not loss.isfinite():
            raise FloatingPointError(
                f"expected a finite cross-entropy, got {loss.item()}; lower the learning rate."
            )
        optimizer.step()


def _share(processes: Processes, total: int) -> tuple[slice, float]:
    """Return this process's rows of a batch, and their share of the mean.

    If a batch has fewer examples than there are processes, each process computes all of it.
    """
    if total < processes.count:
        return slice(None), 1 / processes.count
    rows = processes.share(total)
    return rows, (rows.stop - rows.start) / total
