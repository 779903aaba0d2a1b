"""What can be asked of a run, in groups: the same names in Python, in the shell and in a file."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist
from torch import nn

from priory.data import Part, Splits, open_data
from priory.likelihoods import Likelihood, LikelihoodName, choose_likelihood
from priory.priors import prior_class, prior_classes
from priory.processes import Processes
from priory.runs.plain_yaml import GIVEN
from priory.training import Machine, TrainingSettings
from priory.training.build import build, facts_of
from priory.vae import VAE

if TYPE_CHECKING:
    from priory.runs.run import Run

Factory = Callable[..., nn.Module]
"""A class or a function of the user's own that returns an encoder, a decoder or a prior."""
MOST = 10**6
"""Of anything that is counted by hand: more is a slip of the finger, or a trap."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Data.

    Args:
        data: A built-in set (`digits`, `mnist`, `fashion-mnist`), a file (`.npy`, `.npz`, `.pt`,
            `.csv`, `.tsv`, `.parquet`, `.h5ad`, `-ubyte`) or a folder of images or IDX files.
        data_options: Options of its kind, such as `{label: species}` for a table.
        labels: A file of labels, one for each example, `.npy` or IDX.
        validation: The fraction of the data to validate on, or a file of such data.
        test: The fraction of the data to test on, or a file of such data.
        binarise: Whether grey values are drawn as zeros and ones, in each epoch or once.
    """

    data: str = "digits"
    data_options: dict[str, Any] | None = None
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
        where = (self.validation, self.test, self.labels, self.data_options)
        return open_data(self.data, seed, *where, how)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Model.

    Args:
        prior: The name of the prior, such as `vamp`, or a class of your own, as `module:Name`.
        prior_options: Its further arguments, such as `{weights: uniform}`.
        latent_dim: The number of latent dimensions; a quarter of the data's, from 2 to 40, if not
            given.
        num_components: The number of components of the prior; one for every 20 examples, at most
            500, if not given.
        init: Whether its components start at random or from the training data.
        network: The kind of networks: fully connected, with gates, or convolutions for images.
        hidden_sizes: The widths of their hidden layers, such as `[300,300]`.
        encoder: An encoder of your own, as `module:Name`.
        encoder_options: Its arguments.
        decoder: A decoder of your own, as `module:Name`.
        decoder_options: Its arguments.
        likelihood: The likelihood of the data; `auto` chooses by their values and says why.
        num_values: The number of values of a categorical or discretized logistic likelihood.
    """

    prior: str = "VampPrior"
    prior_options: dict[str, Any] | None = None
    latent_dim: int | None = None
    num_components: int | None = None
    init: Literal["random", "data"] = "data"
    network: Literal["mlp", "gated-mlp", "conv"] = "mlp"
    hidden_sizes: Sequence[int] = (256, 256)
    encoder: str | None = None
    encoder_options: dict[str, Any] | None = None
    decoder: str | None = None
    decoder_options: dict[str, Any] | None = None
    likelihood: LikelihoodName = "auto"
    num_values: int | None = None

    def __post_init__(self) -> None:
        for name in ("latent_dim", "num_components", "num_values"):
            check_range(name, getattr(self, name), 1)
        for width in self.hidden_sizes:
            check_range("hidden_sizes", width, 1)

    def each(self, splits: Splits) -> "list[ModelOptions]":
        """Return the options of each model that data are to have: of this one."""
        return [self]

    def choose(self, splits: Splits) -> Likelihood:
        """Return the likelihood of data."""
        spans = None if splits.columns is None else splits.columns.spans
        return choose_likelihood(splits.modelled, self.likelihood, self.num_values, spans=spans)

    def named_by(self, part: str) -> str:
        """Return the option that names a part of the user's own."""
        return f"--{part}"

    def resolved(
        self, splits: Splits, likelihood: Likelihood, classes: Mapping[str, Factory]
    ) -> "ModelOptions":
        """Return the options that build this model again, with all that its own classes are told.

        A class of the user's own is told those facts of the data and the model that its arguments
        name (`latent_dim`, `num_components`, `data_shape`, `data_range`, `num_labels`, `init`).

        Args:
            splits: The data.
            likelihood: Their likelihood.
            classes: The user's own encoder, decoder and prior, by these words.

        Raises:
            ValueError: If one is needed that was not given, or takes other arguments.
        """
        facts = facts_of(splits, likelihood, self.latent_dim, self.num_components, self.init)
        changed: dict[str, Any] = {}
        for name in ("encoder", "decoder", "prior"):
            options = getattr(self, f"{name}_options")
            if name in classes:
                told = arguments_for(classes[name], options, facts)
                changed |= {name: GIVEN, f"{name}_options": told}
            elif getattr(self, name) == GIVEN:
                raise ValueError(
                    f"expected the {name} of your own to be named again, as no file names a class, "
                    f"got none; add {self.named_by(name)} module:Name."
                )
            elif name != "prior" and options is not None:
                raise ValueError(
                    f"expected --{name} module:Name for {name}_options, got no {name} of your own; "
                    "leave them out."
                )
        return replace(self, **changed)

    def build(
        self, splits: Splits, likelihood: Likelihood, seed: int, classes: Mapping[str, Factory]
    ) -> VAE:
        """Build the model of options that are `resolved`."""
        own: dict[str, Any] = {
            name: partial(factory, **getattr(self, f"{name}_options"))
            for name, factory in classes.items()
        }
        return build(
            splits,
            likelihood,
            own.get("prior", self.prior),
            latent_dim=self.latent_dim,
            num_components=self.num_components,
            init=self.init,
            prior_options=self.prior_options,
            network=self.network,
            hidden_sizes=self.hidden_sizes,
            encoder=own.get("encoder"),
            decoder=own.get("decoder"),
            seed=seed,
        )


def arguments_for(
    factory: Factory, options: Mapping[str, Any] | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a class of the user's own: the options, and facts that it asks for.

    Raises:
        ValueError: If it takes no such option, or needs another.
    """
    takes = inspect.signature(factory).parameters
    arguments = {name: fact for name, fact in facts.items() if name in takes} | dict(options or {})
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        name = getattr(factory, "__name__", str(factory))
        raise ValueError(
            f"expected arguments of {name} among {', '.join(takes) or 'none'}, got "
            f"{', '.join(arguments) or 'none'} ({error}); give them by its options."
        ) from error
    return arguments


@dataclass(frozen=True, kw_only=True)
class ComparedOptions(ModelOptions):
    """Models.

    Args:
        priors: The priors, with commas between them, or `all`; classes of your own as
            `module:Name`.
        prior_options: Their further arguments by name, such as `{VampPrior: {weights: uniform}}`.
    """

    priors: str | list[str] = "StandardPrior,MoGPrior,VampPrior"
    prior: str = field(default="", metadata={"hidden": True})
    latent_dim: int | None = 2
    num_components: int | None = 16
    init: Literal["random", "data"] = "random"

    def named_by(self, part: str) -> str:
        """Return the option that names a part of the user's own."""
        return "--priors with" if part == "prior" else f"--{part}"

    def each(self, splits: Splits) -> list[ModelOptions]:
        """Return the options of each model; all are those that data without labels leave."""
        if self.priors == "all":
            labelled = splits.num_labels is not None
            names = [n for n, cls in prior_classes().items() if labelled or not cls.needs_labels]
        else:
            given = self.priors.split(",") if isinstance(self.priors, str) else self.priors
            names = [_full_name(name.strip()) for name in given]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"expected one or more priors, each once, got {', '.join(names) or 'none'}."
            )
        options = {_full_name(name): own for name, own in (self.prior_options or {}).items()}
        return [replace(self, prior=name, prior_options=options.get(name)) for name in names]


def _full_name(name: str) -> str:
    return name if ":" in name or name == GIVEN else prior_class(name).__name__


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


@dataclass(frozen=True, kw_only=True)
class RefitOptions:
    """Prior.

    Args:
        prior: The name of the new prior, or a class of your own, as `module:Name`.
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

    prior: str = "VampPrior"
    prior_options: dict[str, Any] | None = None
    num_components: int | None = None
    init: str = "data"
    max_epochs: int = 1000
    patience: int = 20
    batch_size: int | None = None
    learning_rate: float = 5e-3
    seed: int | None = None

    def __post_init__(self) -> None:
        check_range("num_components", self.num_components, 1)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What makes a run of `priory train`, with nothing left to ask."""

    data: DataOptions = field(default_factory=DataOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    start: StartOptions = field(default_factory=StartOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    machine: MachineOptions = field(default_factory=MachineOptions)
    measuring: MeasuringOptions = field(default_factory=MeasuringOptions)

    command = "train"


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What makes a run of `priory compare`."""

    data: DataOptions = field(default_factory=DataOptions)
    model: ComparedOptions = field(default_factory=ComparedOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    machine: ComparedMachine = field(default_factory=ComparedMachine)
    measuring: MeasuringOptions = field(default_factory=MeasuringOptions)

    command = "compare"


@dataclass(frozen=True, kw_only=True)
class RefitConfig:
    """What makes a run of `priory refit`."""

    data: RefitData = field(default_factory=RefitData)
    fitting: RefitOptions = field(default_factory=RefitOptions)
    machine: WorkOptions = field(default_factory=WorkOptions)
    measuring: MeasuringOptions = field(default_factory=MeasuringOptions)

    command = "refit"


def check_range(name: str, value: float | None, least: float, most: float = MOST) -> None:
    """Check that a number that was given is within a range.

    Raises:
        ValueError: If it is not.
    """
    if value is not None and not least <= value <= most:
        raise ValueError(f"expected {name} from {least:,} to {most:,}, got {value}.")


def check_samples(count: int | None) -> None:
    """Check a number of importance samples."""
    if count is not None and not 1 <= count <= MOST:
        raise ValueError(
            f"expected at least one importance sample and at most {MOST:,}, got {count}."
        )


def set_threads(threads: int | None) -> None:
    """Let this process compute with so many threads; None leaves it as it is."""
    if threads is not None:
        check_range("threads", threads, 1, 1024)
        torch.set_num_threads(threads)
