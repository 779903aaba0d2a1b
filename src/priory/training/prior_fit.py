"""The settings for fitting a prior, and the result."""

from dataclasses import dataclass

from priory.evaluation import Estimate
from priory.extras import needs
from priory.priors import Prior
from priory.processes import Processes

with needs("train"):
    from rich import box
    from rich.console import Console
    from rich.table import Table


@dataclass(frozen=True)
class CrossEntropy:
    r"""The cross-entropy $E_{q(z)}[-\log p(z)]$ of a prior, in nats.

    Attributes:
        train: On the data that it was fitted to.
        held_out: On held-out data.
    """

    train: Estimate
    held_out: Estimate


@dataclass(frozen=True)
class PriorFit:
    r"""A fitted prior, and how good the fit is.

    Attributes:
        prior: The prior, in evaluation mode.
        before: Its initial cross-entropy: after `fit_data`, before the first step.
        after: Its final cross-entropy.
        bound: The entropy $E_{q(z)}[-\log q(z)]$ of the exact aggregated posterior of the training
            data, below which no prior can be on these data; None if the encoder returns points or
            anything but diagonal Gaussians, and for latents that are points, arrive in batches or
            are more than 50,000.
        epochs: Epochs trained.
    """

    prior: Prior
    before: CrossEntropy
    after: CrossEntropy
    bound: Estimate | None
    epochs: int

    def table(self) -> Table:
        """Return the numbers as a table for printing."""
        table = Table(
            title=f"{type(self.prior).__name__}: E[-log p(z)] under q(z), in nats",
            caption="± one standard error over data",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for head in ("", "training data", "held out"):
            table.add_column(head, justify="right" if head else "left")
        table.add_row("at the start", str(self.before.train), str(self.before.held_out))
        table.add_row("fitted", str(self.after.train), str(self.after.held_out))
        if self.bound is not None:
            table.add_row("bound: q(z) itself", str(self.bound), "")
        return table


@dataclass(frozen=True)
class HowToFit:
    """The settings for fitting a prior; the arguments are those of `fit_prior`.

    Attributes:
        processes: The processes among which each batch is divided.
        console: The console for progress.
    """

    max_epochs: int
    patience: int
    batch_size: int | None
    learning_rate: float
    seed: int
    processes: Processes
    console: Console

    def __post_init__(self) -> None:
        if self.max_epochs < 1 or self.patience < 1 or not self.learning_rate > 0:
            raise ValueError(
                "expected at least one epoch, a patience of at least one and a learning rate above "
                f"zero, got {self.max_epochs}, {self.patience} and {self.learning_rate}."
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(
                f"expected batches of at least one example, got batch_size={self.batch_size}."
            )

    def batch_size_for(self, number: int) -> int:
        """Return the batch size for this many examples: a hundredth, between 64 and 1000."""
        return self.batch_size or min(1000, max(64, number // 100))
