"""From a configuration to what a run starts with: its data, its models and its threads."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import Tensor

from priory.data import DataFormat, Splits, describe
from priory.data.latent_sources import LatentSource
from priory.evaluation import top_level
from priory.likelihoods import Likelihood
from priory.networks.context import Context
from priory.priors import Prior, make_prior
from priory.priors.base import title_of
from priory.runs.configs import CompareConfig, RefitConfig, TrainConfig
from priory.runs.layout import CHECKPOINT, CONFIG, METRICS
from priory.runs.model_options import Factory, ModelOptions, arguments_for
from priory.runs.options import set_threads
from priory.runs.parsing import flat
from priory.runs.plain_yaml import CLASSES, GIVEN
from priory.runs.run import Run, read_config, write_config
from priory.training import TrainingSettings, prior_for, threads_for
from priory.training.checkpoint import read_checkpoint
from priory.training.fit_latents import facts_for_latents
from priory.training.fit_prior import facts_for
from priory.vae import VAE

T = TypeVar("T")
Importer = Callable[[str, str], Factory]
"""Returns the user's own encoder, decoder or prior, from which of them it is and its path."""
CHANGEABLE = ("max_epochs", "patience", "accelerator", "devices", "num_nodes", "strategy", "logger")
"""Options that may change when a run is resumed."""


@dataclass(frozen=True)
class Begun:
    """What a run starts with.

    Attributes:
        config: Its configuration, complete except for what depends on the data.
        splits: The data.
        likelihood: Their likelihood.
        models: The untrained models by the names of their priors.
    """

    config: TrainConfig | CompareConfig
    splits: Splits
    likelihood: Likelihood
    models: dict[str, VAE]

    def __str__(self) -> str:
        """Describe it in two lines."""
        prior = f"{vae.prior}; " if len(self.models) == 1 and (vae := self.model) else ""
        return f"{describe(self.splits)}\n{self.likelihood}; {prior}{self.config.training}."

    @property
    def model(self) -> VAE:
        """The only model, or the first."""
        return next(iter(self.models.values()))

    @property
    def held_out(self) -> str:
        """Whether the numbers are for the test data or, if there are none, the validation data."""
        return "test" if len(self.splits.test) else "validation"

    def write(self, directory: Path) -> None:
        """Write the configuration and the data format to the run, which is then unfinished."""
        DataFormat.of(self.splits).write(directory)
        write_config(self.config, directory)
        (directory / METRICS).unlink(missing_ok=True)


def begin(config: TrainConfig | CompareConfig, import_class: Importer) -> Begun:
    """Open the data of a configuration and build its models.

    Args:
        config: The configuration.
        import_class: Imports the user's own parts.

    Raises:
        FileNotFoundError: If the data do not exist.
        ValueError: If the data cannot be read or no likelihood suits them, or an option is out of
            range.
    """
    how, machine = config.training, config.machine
    if machine.logger == GIVEN:
        raise ValueError(
            "expected your own logger to be named again, because no file names a class, got none; "
            "add --logger module:Name."
        )
    set_threads(machine.threads)
    splits = config.data.open(how.seed)
    likelihood = config.model.choose(splits, config.data.exposure)
    options: Any = config.model
    models: dict[str, VAE] = {}
    if isinstance(config, TrainConfig) and config.start.from_ is not None:
        vae = _started(config.start.from_, options, splits, import_class)
        models[title_of(vae.prior)] = vae
    else:
        for one in options.each(splits):
            classes = _classes(one, import_class)
            options = one.resolved(splits, likelihood, classes)
            vae = options.build(splits, likelihood, how.seed, classes)
            named_class, compared = ":" in one.prior, isinstance(config, CompareConfig)
            name = one.prior.rpartition(":")[2] if named_class or compared else title_of(vae.prior)
            models[name] = vae
    if isinstance(config, CompareConfig):
        named = (GIVEN if ":" in one.prior else one.prior for one in config.model.each(splits))
        theirs = {"prior": "", "prior_options": config.model.prior_options}
        options = replace(options, priors=",".join(named), **theirs)
    size = how.batch_size_for(len(splits.train))
    threads = machine.threads or max(threads_for(vae, size) for vae in models.values())
    set_threads(threads)
    chosen: Any = replace(machine, threads=threads)
    config = replace(config, model=options, machine=chosen)
    return Begun(config, splits, likelihood, models)


def resumed(run: Path, asked: TrainConfig) -> TrainConfig | None:
    """Return the configuration of a run to continue; None if it is finished.

    Args:
        run: Its directory; if it has no run yet, the requested one is started.
        asked: What is requested: more epochs, or the user's own classes again.

    Raises:
        FileNotFoundError: If there is no run, and nothing is requested.
        ValueError: If the request differs from what the run was started with, or the run is
            finished and has no checkpoint.
    """
    if not (run / CONFIG).is_file():
        if asked == TrainConfig():
            raise FileNotFoundError(
                f"expected a run to resume in {run}, found no {CONFIG} there; to start one, name "
                "the data to train on."
            )
        return asked
    saved = read_config(run / CONFIG)
    if not isinstance(saved, TrainConfig):
        raise ValueError(f"expected a run of priory train in {run}, got a different one.")
    before, now, default = flat(saved), flat(asked), flat(TrainConfig())
    changed = {n: now[n] for n in now if now[n] not in (default[n], before[n])}
    for name, value in changed.items():
        if name not in CHANGEABLE and not (before[name] == GIVEN and ":" in str(value)):
            raise ValueError(
                f"expected {name} to be {before[name]!r}, as in {run}, got {value!r}; leave it out "
                "to resume, or train in another directory."
            )

    def with_changes(group: T) -> T:
        return replace(group, **{n: v for n, v in changed.items() if n in flat(group)})  # type: ignore[type-var]

    training = with_changes(saved.training)
    if (run / METRICS).is_file():
        if not _is_longer(training, saved.training):
            return None
        if not (run / CHECKPOINT).is_file():
            raise ValueError(
                f"expected a checkpoint to continue {run}, found no {CHECKPOINT}; start a new run "
                f"from its weights, with --from {run}."
            )
        read_checkpoint(run / CHECKPOINT)  # a damaged one does not harm the run
    machine, model = with_changes(saved.machine), with_changes(saved.model)
    return replace(saved, training=training, machine=machine, model=model)


def _is_longer(asked: TrainingSettings, before: TrainingSettings) -> bool:
    """Whether more epochs, or more patience, are requested than before."""
    patience, earlier = (math.inf if p is None else p for p in (asked.patience, before.patience))
    return asked.max_epochs > before.max_epochs or patience > earlier


def refitted(
    config: RefitConfig, vae: VAE, x: Tensor, context: Context, import_class: Importer
) -> tuple[Prior, RefitConfig]:
    """Return a new prior for a trained model, and the configuration that recreates it."""
    how, vae, name = config.fitting, top_level(vae), config.fitting.prior or "VampPrior"
    if ":" not in name:
        prior = prior_for(
            name,
            vae.encoder,
            x,
            num_components=how.num_components,
            init=how.init,
            labels=context,
            **(how.prior_options or {}),
        )
        return prior, replace(config, fitting=replace(how, prior=type(prior).__name__))
    z = vae.encode(x[:1], context[:1])
    facts = facts_for(vae.encoder, z, x, how.num_components, how.init, context.labels)
    return _own_prior(config, facts, import_class)


def prior_for_latents(
    config: RefitConfig, latents: LatentSource, import_class: Importer
) -> tuple[Prior, RefitConfig]:
    """Return a new prior for latents, and the configuration that recreates it."""
    how, name = config.fitting, config.fitting.prior or "MoGPrior"
    rows, _, number = latents.some(1)
    facts = facts_for_latents(rows, number, how.num_components, how.init)
    if ":" in name:
        return _own_prior(config, facts, import_class)
    prior = make_prior(name, **facts, **(how.prior_options or {}))
    return prior, replace(config, fitting=replace(how, prior=type(prior).__name__))


def _own_prior(
    config: RefitConfig, facts: dict[str, Any], import_class: Importer
) -> tuple[Prior, RefitConfig]:
    """Return a prior of the user's own class, which is not named in any file."""
    factory = import_class("prior", str(config.fitting.prior))
    arguments = arguments_for(factory, config.fitting.prior_options, facts)
    fitting = replace(config.fitting, prior=GIVEN, prior_options=arguments)
    return cast(Prior, factory(**arguments)), replace(config, fitting=fitting)


def for_run(run: Run, config: RefitConfig) -> RefitConfig:
    """Return a configuration that takes its data and seed from a run unless they are given."""
    options = flat(run.data_options) if run.data_options else {}
    given = {n: v for n, v in flat(config.data).items() if v is not None}
    defaults: dict[str, Any] = {
        **{"validation": 0.1, "test": 0.1},
        **{"binarise": "none", "exposure": "total"},
    }
    data = replace(config.data, **(defaults | options | given))
    if data.data is None:
        raise ValueError(
            f"expected the data of {run.path} in its {CONFIG} or that of its parent, got none; "
            "name the data with --data."
        )
    seed = run.seed if config.fitting.seed is None else config.fitting.seed
    return replace(config, data=data, fitting=replace(config.fitting, seed=seed))


def _classes(options: ModelOptions, import_class: Importer) -> dict[str, Factory]:
    paths = {"encoder": options.encoder, "decoder": options.decoder, "prior": options.prior}
    named = {kind: path for kind, path in paths.items() if path and ":" in path}
    return {kind: import_class(kind, path) for kind, path in named.items()}


def _started(path: str, options: ModelOptions, splits: Splits, import_class: Importer) -> VAE:
    """Return the model of another run, to start from its weights."""
    before, now, classes = flat(ModelOptions()), flat(options), _classes(options, import_class)
    again = (*classes, *(name for name in CLASSES if now.get(name) == GIVEN))
    changed = [name for name in now if now[name] != before[name] and name not in again]
    if changed:
        raise ValueError(
            f"expected the model of --from {path}, got {changed[0]}={now[changed[0]]!r} too; leave "
            "out one of them."
        )
    source = Run.open(path, **classes)
    source.check_fits(splits.train.tensor()[:1], splits.name, splits.train.labels)
    return source.model.train()
