"""The loop that fits a prior to samples of z."""

import copy

import torch

from priory.data.splits import mix
from priory.extras import needs
from priory.networks.context import Context, Encoder
from priory.priors import Prior
from priory.processes import Processes
from priory.training.latents import Latents, Samples

with needs("train"):
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

COLUMNS = (
    "{task.description}",
    "epoch {task.completed:4.0f}   best held-out cross-entropy {task.fields[best]:8.3f}",
)


def maximise_likelihood(
    prior: Prior,
    encoder: Encoder,
    data: Latents,
    held_out: Samples,
    *,
    batch_size: int,
    max_epochs: int,
    patience: int,
    learning_rate: float,
    seed: int,
    console: Console,
) -> int:
    """Train a prior until its held-out cross-entropy no longer falls, and keep the best of it.

    Args:
        prior: The prior; it is trained in place and left in evaluation mode.
        encoder: What the prior is called with; only the prior's own parameters are trained.
        data: The examples, of which the prior is told positions and, where there are, labels.
        held_out: Samples to stop by; their processes divide each batch, too.
        batch_size: The number of examples in a batch.
        max_epochs: The most epochs to train.
        patience: Epochs without a better cross-entropy after which to stop.
        learning_rate: The step size of Adam.
        seed: The seed of the order of the data.
        console: Where to show progress.

    Returns:
        The epochs trained; none where there is nothing to learn.

    Raises:
        FloatingPointError: If the cross-entropy is no longer finite.
    """
    learned = [parameter for parameter in prior.parameters() if parameter.requires_grad]
    if not learned:
        return 0
    # In half precision Adam's own 1e-8 is zero, and what has no gradient yet becomes NaN.
    eps = max(1e-8, *(torch.finfo(parameter.dtype).tiny for parameter in learned))
    optimizer = torch.optim.Adam(learned, learning_rate, eps=eps)
    best, best_epoch, epoch = held_out.score(prior, encoder).value, 0, 0
    state = copy.deepcopy(prior.state_dict())
    columns = (*map(TextColumn, COLUMNS), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task(f"{type(prior).__name__:<16}", total=max_epochs, best=best)
        while epoch < max_epochs and epoch - best_epoch < patience:
            order = torch.Generator().manual_seed(mix(seed, epoch))
            prior.train()
            for index in torch.randperm(len(data.x), generator=order).split(batch_size):
                z = data.draw(index)
                rows, share = _share(held_out.processes, len(z))
                context = Context(index=index, labels=data.context[index].labels)[rows].to(z.device)
                loss = -share * prior(encoder, context).log_prob(z[rows]).mean()
                optimizer.zero_grad()
                loss.backward(inputs=learned)  # a plain function may hide a network
                gradients = [p.grad for p in learned if p.grad is not None]
                held_out.processes.sum_in_place(loss.detach(), *gradients)
                if not loss.isfinite():
                    raise FloatingPointError(
                        f"expected a finite cross-entropy, got {loss.item()}; "
                        "lower the learning rate."
                    )
                optimizer.step()
            epoch += 1
            value = held_out.score(prior, encoder).value
            if value < best:
                best, best_epoch, state = value, epoch, copy.deepcopy(prior.state_dict())
            progress.update(task, completed=epoch, best=best)
    prior.load_state_dict(state)
    prior.eval()
    return epoch


def _share(processes: Processes, total: int) -> tuple[slice, float]:
    """Return the rows of a batch that are this process's, and their share of the mean.

    A batch of fewer examples than there are processes is done by each of them.
    """
    if total < processes.count:
        return slice(None), 1 / processes.count
    rows = processes.share(total)
    return rows, (rows.stop - rows.start) / total
