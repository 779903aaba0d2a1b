"""What can be asked of a run, in groups: the same names in Python, in the shell and in a file."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist

from priory.arguments import MOST_SEED, above_zero, within
from priory.data import Part, Splits, open_data
from priory.processes import Processes
from priory.runs.model_options import ComparedOptions, ModelOptions
from priory.training import Machine, TrainingSettings
from priory.training.machine import MOST_PROCESSES

if TYPE_CHECKING:
    from priory.runs.run import Run

MOST = 10**6
"""Of anything that is counted by hand: more is a slip of the finger, or a trap."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Data.

    Args:
        data: A built-in set (`digits`, `mnist`, `fashion-mnist`), a file (`.npy`, `.npz`, `.pt`,
            `.csv`, `.tsv`, `.parquet`, `.h5ad`, `-ubyte`) or a folder of images or IDX files.
        data_options: Options of its kind, such as `{label: species}` for a table.
        label: The column of a table, or of cells, that holds their labels.
        batch_key: The column that says in which batch an example was measured, of which the
            decoder is told.
        exposure: What the means of counts are scaled by: the `total` of an example, a column by its
            name, or `none`.
        labels: A file of labels, one for each example, `.npy` or IDX.
        validation: The fraction of the data to validate on, or a file of such data.
        test: The fraction of the data to test on, or a file of such data.
        binarise: Whether grey values are drawn as zeros and ones, in each epoch or once.
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
            seed: The seed of the split and of the draw.
            drawn_once: Whether zeros and ones of the training data are drawn once, as data to
                measure by are.
        """
        how = "static" if drawn_once and self.binarise == "dynamic" else self.binarise
        where = (self.validation, self.test, self.labels, self.options)
        return open_data(self.data, seed, *where, how)

    @property
    def options(self) -> dict[str, Any]:
        """All options of the data's kind."""
        column = None if self.exposure in ("total", "none", None) else self.exposure
        named = {"label": self.label, "batch_key": self.batch_key, "exposure": column}
        given = {name: column for name, column in named.items() if column is not None}
        return {**(self.data_options or {}), **given}


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions:
    """Measures.

    Args:
        importance_samples: The importance samples for the NLL of each example.
    """

    importance_samples: int = 512

    def __post_init__(self) -> None:
        check_samples(self.importance_samples)


@dataclass(frozen=True, kw_only=True)
class ReportOptions(MeasuringOptions):
    """Measures.

    Args:
        no_examples: Leave examples of the data out of the page and the figures, and pseudo-inputs
            that started from them.
    """

    no_examples: bool = False


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Start.

    Args:
        from_: A run, or a saved model, whose model and weights to start from.
    """

    from_: str | None = None


@dataclass(frozen=True)
class MachineOptions(Machine):
    """Machine.

    Args:
        logger: Where the training curves go besides `metrics.csv`: `csv` nowhere else, or
            `tensorboard`, or a logger of your own, as `module:Name`.
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
        accelerator: The kind of device: `cpu`, `gpu`, `cuda`, `mps`, or `auto` for the best.
        devices: The number of devices on each machine, with a process for each, among which the
            work is divided; under `torchrun` as many as it starts.
        num_nodes: The number of machines.
        threads: The threads of each process; torch's own number if not given.
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
        data: Data of the kind trained on, read as those were; the run's own test data if not given.
        labels: A file of their labels, one for each example.
        data_options: Options of their kind, such as `{separator: ;}`.
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
        data: A table of the columns trained on, some of whose cells are missing.
        data_options: Options of its kind, such as `{separator: ;}`.
    """

    data: str | None = None
    data_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class OwnNetworks:
    """Classes of your own.

    Args:
        encoder: The model's encoder, where it is of a class of your own, as `module:Name`.
        encoder_options: Its arguments, where they are not those that the run was trained with.
        decoder: Likewise its decoder.
        decoder_options: Likewise its arguments.
    """

    encoder: str | None = None
    encoder_options: dict[str, Any] | None = None
    decoder: str | None = None
    decoder_options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class OwnClasses(OwnNetworks):
    """Classes of your own.

    Args:
        prior: Likewise its prior.
        prior_options: Likewise its arguments.
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
    """Latents, in the place of a run.

    Args:
        latents: A file of latents, `.npy` or `.parquet`, or a folder of such; only blocks of them
            are held in memory.
        scales: The standard deviations of their posteriors, likewise; points if not given.
    """

    latents: str | None = None
    scales: str | None = None


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """Prior.

    Args:
        prior: The name of the new prior, or a class of your own, as `module:Name`; `VampPrior`, or
            `MoGPrior` for latents, if not given.
        prior_options: Its further arguments, such as `{weights: uniform}`.
        num_components: The number of its components; one for every 20 examples, at most 500, if
            not given.
        init: Where they start: `random`, from `data`, or, for some priors, by `em` or `kmeans`.
        max_epochs: The most epochs to fit it.
        patience: Epochs without a better held-out cross-entropy after which to stop.
        batch_size: The number of examples in a batch; a hundredth of them, from 64 to 1000, if not
            given.
        learning_rate: The step size of Adam.
        seed: The seed of the split and of everything random; that of the run if not given.
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


@dataclass(frozen=True, kw_only=True)
class TrainedConfig:
    """What makes a run that trains models, with nothing left to ask."""

    data: DataOptions = field(default_factory=DataOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    machine: MachineOptions = field(default_factory=MachineOptions)
    measuring: ReportOptions = field(default_factory=ReportOptions)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainedConfig):
    """What makes a run of `priory train`."""

    start: StartOptions = field(default_factory=StartOptions)

    command = "train"


@dataclass(frozen=True, kw_only=True)
class CompareConfig(TrainedConfig):
    """What makes a run of `priory compare`."""

    model: ComparedOptions = field(default_factory=ComparedOptions)
    machine: ComparedMachine = field(default_factory=ComparedMachine)

    command = "compare"


@dataclass(frozen=True, kw_only=True)
class RefitConfig:
    """What makes a run of `priory refit`."""

    data: RefitData = field(default_factory=RefitData)
    latents: LatentsOptions = field(default_factory=LatentsOptions)
    fitting: RefitOptions = field(default_factory=RefitOptions)
    machine: WorkOptions = field(default_factory=WorkOptions)
    measuring: MeasuringOptions = field(default_factory=MeasuringOptions)

    command = "refit"


def check_samples(count: int | None) -> None:
    """Check a number of importance samples."""
    if count is not None and not 1 <= count <= MOST:
        raise ValueError(
            f"expected at least one importance sample and at most {MOST:,}, got {count}."
        )


def set_threads(threads: int | None) -> None:
    """Let this process compute with so many threads; None leaves it as it is."""
    if threads is not None:
        within(1, MOST_PROCESSES, threads=threads)
        torch.set_num_threads(threads)
