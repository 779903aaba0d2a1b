"""From an array, or a model and data, to a trained model."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priory.arrays import Array, as_tensor
from priory.data import Batches, Source, Splits, split
from priory.extras import needs
from priory.likelihoods import choose_likelihood
from priory.printing import plain_console
from priory.priors import Prior, Reseedable
from priory.priors.base import title_of
from priory.training.build import build
from priory.training.checkpoint import check_state, read_checkpoint, write_checkpoint
from priory.training.curves import Log, Row
from priory.training.epoch import Step, train_epoch, validate
from priory.training.machine import Machine
from priory.training.settings import OPTIMIZERS, TrainingSettings
from priory.vae import VAE

with needs("train"):
    from rich.console import Console

    from priory.training.progress import Progress


def fit(
    x: Tensor | Array,
    prior: str | Prior = "VampPrior",
    *,
    latent_dim: int | None = None,
    num_components: int | None = None,
    hidden_sizes: Sequence[int] = (256, 256),
    verbose: bool = True,
    **settings: Any,
) -> VAE:
    """Train a VAE on an array; the choices made from the data are printed.

    One example in ten, chosen randomly, is used for validation.

    Args:
        x: Data, `(N, *data_shape)`; their values determine the likelihood, as in
            `priory.likelihoods.choose_likelihood`.
        prior: The name of a prior, which is initialised from the data if possible, or a prior,
            which is initialised according to its own options.
        latent_dim: The number of latent dimensions L; by default the prior's, or a quarter of the
            data's, between 2 and 40.
        num_components: The number of components K; by default one for every 20 examples, at most
            500.
        hidden_sizes: The widths of the hidden layers of the encoder and the decoder.
        verbose: Whether to print the choices and the progress.
        **settings: How to train: `max_epochs`, `seed` and everything else that
            [`TrainingSettings`][priory.training.TrainingSettings] takes.

    Returns:
        The model with the best validation ELBO, in evaluation mode.

    Raises:
        ImportError: If Lightning is not installed.
        ValueError: If no likelihood suits the data, or an argument is out of range.

    Examples:
        >>> import torch, priory
        >>> x = torch.randint(0, 2, (200, 9)).float()
        >>> model = priory.fit(x, prior="VampPrior", max_epochs=2, verbose=False)
        >>> model.sample(5).shape
        torch.Size([5, 9])
    """
    x = as_tensor(x).to(torch.float32)
    likelihood = choose_likelihood(x)
    how = TrainingSettings(**settings)
    splits = split(Source("data", x), test=0.0, seed=how.seed)
    how = replace(how, batch_size=how.batch_size_for(len(splits.train)))
    console = plain_console(quiet=not verbose)
    vae = build(
        splits,
        likelihood,
        prior,
        latent_dim=latent_dim,
        num_components=num_components,
        hidden_sizes=hidden_sizes,
        seed=how.seed,
    )
    console.print(
        f"{len(splits.train)} examples of shape {tuple(x.shape[1:])} for training, "
        f"{len(splits.validation)} for validation; {likelihood}; {vae.prior}; hidden layers "
        f"{tuple(hidden_sizes)}; {how}."
    )
    train(vae, splits, how, console=console)
    return vae


@dataclass(frozen=True)
class History:
    """The result of training.

    Attributes:
        epochs: Epochs trained.
        best_elbo: The best validation ELBO, in nats per example.
    """

    epochs: int
    best_elbo: float


@dataclass
class State:
    """The state of training, apart from its weights and its optimiser.

    Attributes:
        epoch: The epochs trained.
        without_better: The epochs since the best validation ELBO.
        best_elbo: The best validation ELBO, in nats per example.
        best_weights: The weights with the best validation ELBO, on the CPU.
        curves: The logged values, one row per epoch.
    """

    epoch: int = 0
    without_better: int = 0
    best_elbo: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    curves: list[Row] = field(default_factory=list)

    def judge(self, elbo: float, vae: VAE, epochs: int) -> None:
        """Keep the weights if they are better than the best so far."""
        if elbo > self.best_elbo:
            self.best_elbo, self.without_better = elbo, 0
            self.best_weights = {n: w.detach().cpu().clone() for n, w in vae.state_dict().items()}
        else:
            self.without_better += epochs


class Average:
    """An exponential moving average of the weights of a model, which starts after a step.

    Args:
        vae: The model.
        decay: The fraction of the average that a step keeps.
    """

    def __init__(self, vae: VAE, decay: float) -> None:
        self.parameters: list[Tensor] = list(vae.parameters())
        self.decay = decay
        self.weights: list[Tensor] = []

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the weights of the model after a step."""
        if not self.weights:
            self.weights = [value.clone() for value in self.parameters]
            return
        torch._foreach_mul_(self.weights, self.decay)
        added = torch._foreach_mul(self.parameters, 1 - self.decay)
        torch._foreach_add_(self.weights, list(added))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Use the average as the model's weights within a block."""
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


def train(
    vae: VAE,
    splits: Splits,
    settings: TrainingSettings | None = None,
    *,
    machine: Machine | None = None,
    logger: Any = "csv",
    console: Console | None = None,
    curves: Path | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 10.0,
    trainer: Mapping[str, Any] | None = None,
) -> History:
    """Train a VAE until its validation ELBO stops rising, and keep the best weights.

    A run that is killed and called again with the same arguments continues from its checkpoint, and
    ends with the same weights as an uninterrupted run. A finished run continues if it is called
    with more epochs or more patience.

    The noise of a training step is drawn anew from (seed, epoch, step), and that of validation is
    the same every time, so that early stopping depends on the model and not on chance.
    Distributions validate their arguments in validation and in the first epoch, including the first
    epoch of a resumed run; later steps only check the loss.

    Args:
        vae: The model; it is trained in place.
        splits: The data.
        settings: How to train.
        machine: Where to train.
        logger: Where to send the curves in addition to `metrics.csv`: `"tensorboard"`, or an object
            with `log_metrics(metrics, step)` and `finalize(status)`, like Lightning Fabric's
            loggers; `"csv"` writes only that file, and False nothing.
        console: The console for progress; None shows none.
        curves: A directory for the training curves (`metrics.csv`); None writes none.
        checkpoint: The checkpoint file; training continues from it if it exists. None writes none.
        checkpoint_seconds: The minimum time between two checkpoints, in seconds; the last one is
            always written.
        trainer: Arguments of Lightning's `Trainer`, which 0.1.0 used; they are translated, with a
            warning.

    Returns:
        The result of training; the model itself is left in evaluation mode.

    Raises:
        ValueError: If the checkpoint is damaged or belongs to another model, components should be
            re-seeded but the prior does not support it, or a device does not exist.
        FloatingPointError: If the loss is no longer finite; the last checkpoint is kept.
    """
    settings, machine = settings or TrainingSettings(), machine or Machine()
    if trainer:
        changes, earlier_logger, every = Machine.from_trainer(trainer)
        machine = replace(machine, **changes)
        settings = replace(settings, validate_every=every or settings.validate_every)
        logger = logger if earlier_logger is None else earlier_logger
    if settings.reseed_every is not None and not isinstance(vae.prior, Reseedable):
        raise ValueError(
            "expected a prior whose components can be re-seeded, such as a VampPrior, got "
            f"{type(vae.prior).__name__}; leave out reseed_every."
        )
    levels = len(getattr(vae.prior, "latent_dims", (1,)))
    settings.check_levels(levels)
    state, saved = State(), None
    if checkpoint and checkpoint.is_file():
        saved = read_checkpoint(checkpoint)
        check_state(saved, vae, settings, checkpoint)
        state = State(**{name: saved[name] for name in vars(state)})
    batch_size = settings.batch_size_for(len(splits.train))
    batches = Batches(splits.train, batch_size, seed=settings.seed)
    held_out = Batches(splits.validation, max(batch_size, 1024))
    optimizer = OPTIMIZERS[settings.optimizer](vae, settings.learning_rate, settings.weight_decay)
    machine.check_compiler()
    fabric = machine.fabric()
    for part in (batches, held_out):
        part.set_process(fabric.global_rank, fabric.world_size)
    first = fabric.is_global_zero
    logs = first and (curves or logger != "csv")
    log = Log(curves, logger, state.curves, levels) if logs else None

    if not vae.training:
        vae.train()
    step = Step(vae, settings)
    fabric.to_device(fabric.strategy.precision.convert_module(step))
    loss_of = fabric.strategy.setup_module(step)
    decay = settings.ema_decay
    average = None if decay is None else Average(vae, decay)
    update = None if average is None else average.update
    if saved:
        vae.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["optimizer"])
        fabric.strategy.precision.load_state_dict(saved["precision"])
        if average:
            average.weights = [w.to(fabric.device) for w in saved["average"]]
    start, written = state.epoch, time.monotonic()
    progress = None
    if first and console and not console.quiet:
        progress = Progress(title_of(vae.prior), settings, console, start)
    with torch.random.fork_rng(), machine.own_threads(), ExitStack() as shown:
        if log:
            shown.enter_context(log)
        if progress:
            shown.enter_context(progress)
        while settings.epochs_left(state.epoch, state.without_better):
            epoch = state.epoch
            if machine.compile and epoch == max(1, start):
                step.compile(options={"fallback_random": True})
            checked = epoch == (0 if machine.compile else start)
            loss = train_epoch(step, loss_of, optimizer, update, batches, fabric, epoch, checked)
            row = {"epoch": epoch, "step": (epoch + 1) * len(batches) - 1, "train_loss": loss}
            if (epoch + 1) % settings.validate_every == 0:
                with average.in_place() if average else nullcontext():
                    row |= validate(step, held_out, fabric, epoch)
                    state.judge(row["elbo"], vae, settings.validate_every)
            state.curves.append(row)
            state.epoch += 1
            if log:
                log.add(row)
            left = settings.epochs_left(state.epoch, state.without_better)
            if progress:
                progress.show(state.epoch, row, state.without_better)
            due = time.monotonic() - written >= checkpoint_seconds or not left
            if checkpoint and fabric.broadcast(due):  # the first process decides
                if first:
                    whole = {
                        **vars(state),
                        "settings": asdict(settings),
                        "weights": vae.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "precision": fabric.strategy.precision.state_dict(),
                        "average": average and average.weights,
                    }
                    write_checkpoint(checkpoint, whole)
                written = time.monotonic()
    vae.load_state_dict(state.best_weights)
    vae.cpu().eval()
    return History(epochs=state.epoch, best_elbo=state.best_elbo)
