"""The complete configuration of a run of each command that writes one."""

from dataclasses import dataclass, field, replace

from priory.runs.model_options import ComparedOptions, ModelOptions
from priory.runs.options import (
    ComparedMachine,
    DataOptions,
    LatentsOptions,
    MachineOptions,
    MeasuringOptions,
    RefitData,
    RefitOptions,
    RepeatOptions,
    ReportOptions,
    StartOptions,
    WorkOptions,
)
from priory.training import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class TrainedConfig:
    """The complete configuration of a run that trains models."""

    data: DataOptions = field(default_factory=DataOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    machine: MachineOptions = field(default_factory=MachineOptions)
    measuring: ReportOptions = field(default_factory=ReportOptions)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(TrainedConfig):
    """The configuration of a run of `priory train`."""

    start: StartOptions = field(default_factory=StartOptions)

    command = "train"


@dataclass(frozen=True, kw_only=True)
class CompareConfig(TrainedConfig):
    """The configuration of a run of `priory compare`."""

    model: ComparedOptions = field(default_factory=ComparedOptions)
    repeats: RepeatOptions = field(default_factory=RepeatOptions)
    machine: ComparedMachine = field(default_factory=ComparedMachine)

    command = "compare"

    def each_seed(self) -> "list[CompareConfig]":
        """Return the configuration of each seed alone."""
        first, once = self.training.seed, RepeatOptions()
        seeds = range(first, first + self.repeats.seeds)
        return [
            replace(self, training=replace(self.training, seed=seed), repeats=once)
            for seed in seeds
        ]


@dataclass(frozen=True, kw_only=True)
class RefitConfig:
    """The configuration of a run of `priory refit`."""

    data: RefitData = field(default_factory=RefitData)
    latents: LatentsOptions = field(default_factory=LatentsOptions)
    fitting: RefitOptions = field(default_factory=RefitOptions)
    machine: WorkOptions = field(default_factory=WorkOptions)
    measuring: MeasuringOptions = field(default_factory=MeasuringOptions)

    command = "refit"
