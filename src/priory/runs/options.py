"""The options of a run, in groups: the same names in Python, on the command line and in a file."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist

from priory.arguments import MOST_SEED, above_zero, within
from priory.data import Part, Splits, open_data
from priory.processes import Processes
from priory.training import Machine
from priory.training.machine import MOST_PROCESSES

if TYPE_CHECKING:
    from priory.runs.run import Run

MOST = 10**6
"""The maximum for counts that people type: more is a typing error, or malicious."""

MOST_SEEDS = 100


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Data.

    Args:
        data: A built-in data set (`digits`, `rings`, `mnist`, `fashion-mnist`), a file (`.npy`,
            `.npz`, `.pt`, `.csv`, `.tsv`, `.parquet`, `.h5ad`, `-ubyte`) or a folder of images or
            IDX files.
        data_options: Options for this kind of data, such as `{label: species}` for a table.
        label: The column of a table, or of cells, with the labels.
        batch_key: The column with the batch in which each example was measured; the decoder takes
            it as an input.
        exposure: What scales the means of counts: the `total` of an example, a column by name, or
            `none`.
        labels: A file of labels, one per example, `.npy` or IDX.
        validation: The fraction of the data for validation, or a file of validation data.
        test: The fraction of the data for testing, or a file of test data.
        binarise: Whether to draw grey values as zeros and ones, in each epoch (`dynamic`) or once
            (`static`).
    """

    data: str = "digits"
    data_options: dict[str, Any] | None = None
    label: str | None = None
    batch_key: str | None = None
    exposure: str = "total"
    labels: str | None = None
    validation: float | str = 0.1
    test: float | str = 0.1
    binarise: Literal["none", "dynamic", "static"] = "none"

    def open(self, seed: int, *, drawn_once: bool = False) -> Splits:
        """Open the data and split them.

        Args:
            seed: The seed of the split and of the binarisation.
            drawn_once: Whether to binarise the training data only once, as for measuring.
        """
        how = "static" if drawn_once and self.binarise == "dynamic" else self.binarise
        where = (self.validation, self.test, self.labels, self.options)
        return open_data(self.data, seed, *where, how)

    @property
    def options(self) -> dict[str, Any]:
        """All options for this kind of data."""
        column = None if self.exposure in ("total", "none", None) else self.exposure
        named = {"label": self.label, "batch_key": self.batch_key, "exposure": column}
        given = {name: column for name, column in named.items() if column is not None}
        return {**(self.data_options or {}), **given}


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions:
    """Measures.

    Args:
        importance_samples: The number of importance samples for the NLL of each example.
    """

    importance_samples: int = 512

    def __post_init__(self) -> None:
        check_samples(self.importance_samples)


@dataclass(frozen=True, kw_only=True)
class ReportOptions(MeasuringOptions):
    """Measures.

    Args:
        no_examples: Leave out examples of the data, and pseudo-inputs initialised from them, from
            the page and the figures.
    """

    no_examples: bool = False


@dataclass(frozen=True, kw_only=True)
class RepeatOptions:
    """Repeats.

    Args:
        seeds: How many times to train each prior, with consecutive seeds from `--seed` on; a
            difference then counts only if the seeds agree.
    """

    seeds: int = 1

    def __post_init__(self) -> None:
        within(1, MOST_SEEDS, seeds=self.seeds)


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Start.

    Args:
        from_: A run, or a saved model, to start from: its architecture and its weights.
    """

    from_: str | None = None


@dataclass(frozen=True)
class MachineOptions(Machine):
    """Machine.

    Args:
        logger: Where the training curves go in addition to `metrics.csv`: nowhere (`csv`), to
            `tensorboard`, or to your own logger, as `module:Name`.
    """

    logger: str = "csv"


@dataclass(frozen=True)
class ComparedMachine(MachineOptions):
    """Machine."""

    devices: int | str = field(default=1, metadata={"hidden": True})
    num_nodes: int = field(default=1, metadata={"hidden": True})
    strategy: str = field(default="auto", metadata={"hidden": True})


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Machine.

    Args:
        accelerator: The kind of device: `cpu`, `gpu`, `cuda`, `mps`, or `auto` for the best
            available.
        devices: The number of devices on each machine, with one process each; the work is divided
            among them. Under `torchrun`, the number of processes that it starts.
        num_nodes: The number of machines.
        threads: The number of threads of each process; by default PyTorch's.
    """

    accelerator: str = "cpu"
    devices: int | str = 1
    num_nodes: int = 1
    threads: int | None = None

    def start(self) -> tuple[Processes, torch.device]:
        """Start the processes, and return them with the device of this one."""
        set_threads(self.threads)
        several = dist.is_available() and dist.is_torchelastic_launched()
        if not several and self == replace(WorkOptions(), threads=self.threads):
            return Processes.alone(), torch.device("cpu")
        where = {"accelerator": self.accelerator, "devices": self.devices}
        fabric = Machine(**where, num_nodes=self.num_nodes).fabric()  # type: ignore[arg-type]
        return Processes(), fabric.device


@dataclass(frozen=True, kw_only=True)
class FurtherData:
    """Data.

    Args:
        data: Data of the same kind as the training data, read in the same way; by default the run's
            test data.
        labels: A file of their labels, one per example.
        data_options: Options for this kind of data, such as `{separator: ;}`.
    """

    data: str | None = None
    labels: str | None = None
    data_options: dict[str, Any] | None = None

    def of(self, run: "Run", *, labelled: bool = True) -> Part:
        """Open the data for a run, by default with the labels that its model needs."""
        opened = run.labelled_part if labelled else run.part
        return opened(self.data, self.labels, self.data_options)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Data.

    Args:
        data: A table with the columns of the training data, some of whose cells are missing.
        data_options: Options for this kind of data, such as `{separator: ;}`.
    """

    data: str | None = None
    data_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class OwnNetworks:
    """Your own classes.

    Args:
        encoder: The model's encoder, if it is your own class, as `module:Name`.
        encoder_options: Its arguments, if they differ from those that the run was trained with.
        decoder: Its decoder, if it is your own class, as `module:Name`.
        decoder_options: Its arguments, if they differ from those that the run was trained with.
    """

    encoder: str | None = None
    encoder_options: dict[str, Any] | None = None
    decoder: str | None = None
    decoder_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class OwnClasses(OwnNetworks):
    """Your own classes.

    Args:
        prior: Its prior, if it is your own class, as `module:Name`.
        prior_options: Its arguments, if they differ from those that the run was trained with.
    """

    prior: str | None = None
    prior_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class RefitData(DataOptions):
    """Data, by default those of the run."""

    data: str | None = None  # type: ignore[assignment]
    validation: float | str | None = None  # type: ignore[assignment]
    test: float | str | None = None  # type: ignore[assignment]
    binarise: Literal["none", "dynamic", "static"] | None = None  # type: ignore[assignment]
    exposure: str | None = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class LatentsOptions:
    """Latents, instead of a run.

    Args:
        latents: A file of latents, `.npy` or `.parquet`, or a folder of such files; only blocks of
            them are in memory at a time.
        scales: The standard deviations of their posteriors, in the same format; if not given, the
            latents are points.
    """

    latents: str | None = None
    scales: str | None = None


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """Prior.

    Args:
        prior: The name of the new prior, or your own class, as `module:Name`; by default
            `VampPrior`, or `MoGPrior` for latents.
        prior_options: Its other arguments, such as `{weights: uniform}`.
        num_components: The number of its components; by default one for every 20 examples, at most
            500.
        init: How to initialise them: `random`, from `data`, or, for some priors, with `em` or
            `kmeans`.
        max_epochs: The maximum number of epochs.
        patience: Stop after this many epochs without a better held-out cross-entropy.
        batch_size: The number of examples in a batch; by default a hundredth of the data, between
            64 and 1000.
        learning_rate: The step size of Adam.
        seed: The random seed, also of the split; by default that of the run.
    """

    prior: str | None = None
    prior_options: dict[str, Any] | None = None
    num_components: int | None = None
    init: str = "data"
    max_epochs: int = 1000
    patience: int = 20
    batch_size: int | None = None
    learning_rate: float = 5e-3
    seed: int | None = None

    def __post_init__(self) -> None:
        counts = ("num_components", "max_epochs", "patience", "batch_size")
        within(1, **{name: getattr(self, name) for name in counts})
        above_zero(learning_rate=self.learning_rate)
        within(0, learning_rate=self.learning_rate)
        within(0, MOST_SEED, seed=self.seed)


def check_samples(count: int | None) -> None:
    """Check a number of importance samples."""
    if count is not None and not 1 <= count <= MOST:
        raise ValueError(
            f"expected at least one importance sample and at most {MOST:,}, got {count}."
        )


def set_threads(threads: int | None) -> None:
    """Set the number of threads of this process; None changes nothing."""
    if threads is not None:
        within(1, MOST_PROCESSES, threads=threads)
        torch.set_num_threads(threads)
