"""What came of fitting a prior."""

from dataclasses import dataclass

from priory.evaluation import Estimate
from priory.extras import needs
from priory.priors import Prior

with needs("train"):
    from rich import box
    from rich.table import Table


@dataclass(frozen=True)
class CrossEntropy:
    r"""The cross-entropy $E_{q(z)}[-\log p(z)]$ of a prior, in nats.

    Attributes:
        train: On the data that it was fitted to.
        held_out: On data that it was not.

    """

    train: Estimate
    held_out: Estimate


@dataclass(frozen=True)
class PriorFit:
    r"""A prior that was fitted, and how well it does.

    Attributes:
        prior: The prior, in evaluation mode.
        before: Its cross-entropy where it started: after `fit_data`, before the first step.
        after: Its cross-entropy in the end.
        bound: The entropy $E_{q(z)}[-\log q(z)]$ of the exact aggregated posterior of the training
            data, which on these data no prior is below; None where the encoder returns points or
            anything but diagonal Gaussians.
        epochs: Epochs trained.

    """

    prior: Prior
    before: CrossEntropy
    after: CrossEntropy
    bound: Estimate | None
    epochs: int

    def table(self) -> Table:
        """Return the numbers as a table to print."""
        table = Table(
            title=f"{type(self.prior).__name__}: E[-log p(z)] under q(z), in nats",
            caption="± a standard error over data",
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
