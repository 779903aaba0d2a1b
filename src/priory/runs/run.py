"""A run: a directory and its contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions.constraints import Constraint

from priory.data import DataFormat, Part, Splits, open_source
from priory.extras import needs
from priory.files import read_record, write_whole
from priory.priors import Prior
from priory.runs.configs import CompareConfig, RefitConfig, TrainConfig
from priory.runs.layout import CONFIG, METRICS, model_directories, seed_directory
from priory.runs.model_options import Factory, arguments_for
from priory.runs.options import DataOptions, MeasuringOptions
from priory.runs.parsing import checked, flat
from priory.runs.plain_yaml import read_plain, without_classes, without_trainer
from priory.saving import load
from priory.training.build import WORDS
from priory.training.curves import read_curves
from priory.vae import VAE

with needs("cli"):
    import yaml

Config = TrainConfig | CompareConfig | RefitConfig
"""The configuration of a run, in the class of its command."""


@dataclass(frozen=True)
class Run:
    """A run of `priory train`, `compare` or `refit`, or a model saved with `priory.save`.

    Attributes:
        path: The directory of the saved model.
        home: The directory of the configuration and the numbers: the same, or its parent.
        config: Its configuration; None for a saved model.

    Examples:
        >>> import tempfile, priory
        >>> from priory.runs import Run
        >>> vae = priory.fit(priory.data.open_digits().x, max_epochs=1, verbose=False)
        >>> with tempfile.TemporaryDirectory() as path:
        ...     priory.save(vae, path)
        ...     run = Run.open(path)
        ...     type(run.model.prior).__name__, run.config
        ('VampPrior', None)
    """

    path: Path
    home: Path
    config: Config | None
    parts: Mapping[str, nn.Module | Factory] = field(default_factory=dict, repr=False)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        encoder: nn.Module | Factory | None = None,
        decoder: nn.Module | Factory | None = None,
        prior: nn.Module | Factory | None = None,
    ) -> "Run":
        """Open a run.

        Args:
            path: Its directory, or that of a model within it, such as `runs/compare-1/MoGPrior`.
            encoder: The encoder of the model, if it is the user's own class: a module, or a factory
                that takes the arguments that the run was trained with.
            decoder: The same for the decoder.
            prior: The same for the prior.

        Raises:
            FileNotFoundError: If there is no saved model.
            ValueError: If there are several, or the configuration is invalid.
        """
        runs = cls.open_all(path, encoder=encoder, decoder=decoder, prior=prior)
        if len(runs) > 1:
            raise ValueError(
                f"expected a run with one saved model, got {len(runs)} at {path}; choose one of "
                f"{', '.join(str(run.path) for run in runs)}."
            )
        return runs[0]

    @classmethod
    def open_all(cls, path: str | Path, **parts: nn.Module | Factory | None) -> "list[Run]":
        """Open all models of a run, in the order of its configuration."""
        given = {name: part for name, part in parts.items() if part is not None}
        runs = []
        for model in model_directories(path):
            homes = (model, model.resolve().parent)
            home = next((home for home in homes if (home / CONFIG).is_file()), model)
            config = read_config(home / CONFIG) if (home / CONFIG).is_file() else None
            runs.append(cls(model, home, config, given))
        first = runs[0].config
        named = str(first.model.priors).split(",") if isinstance(first, CompareConfig) else []
        places = {name: place for place, name in enumerate(named)}
        return sorted(runs, key=lambda run: places.get(run.path.name, len(places)))

    @cached_property
    def model(self) -> VAE:
        """The model, in evaluation mode and ready to use."""
        vae = load(self.path, **{n: self._made(n, p) for n, p in self.parts.items()})
        if not isinstance(vae, VAE):
            raise ValueError(
                f"expected a model with an encoder and a decoder at {self.path}, got only a "
                f"{type(vae).__name__}; load it in Python with priory.load."
            )
        if not _is_ready(vae):
            try:
                training = None if self.data_options is None else self.data.train
            except FileNotFoundError:
                training = None
            if training is None:
                raise ValueError(
                    f"expected the training data of {self.path}, which its "
                    f"{type(vae.prior).__name__} consists of, where {CONFIG} says they are, found "
                    "none; put them back."
                )
            cast(Prior, vae.prior).fit_data(training.tensor(), vae.encoder)
        return vae

    def _made(self, name: str, part: nn.Module | Factory) -> nn.Module:
        if isinstance(part, nn.Module):
            return part
        model = self.config.model if isinstance(self.config, TrainConfig) else None
        return part(**arguments_for(part, getattr(model, f"{name}_options", None), {}))

    @property
    def seed(self) -> int:
        """The random seed of the run; zero for a saved model."""
        if isinstance(self.config, RefitConfig):
            return self.config.fitting.seed or 0
        return 0 if self.config is None else self.config.training.seed

    @property
    def importance_samples(self) -> int:
        """The number of importance samples for its NLL."""
        measuring = MeasuringOptions() if self.config is None else self.config.measuring
        return measuring.importance_samples

    @property
    def repeats(self) -> "list[Run]":
        """The runs of the same prior with the further seeds of a comparison."""
        if not isinstance(self.config, CompareConfig) or self.path == self.home:
            return []
        further = self.config.each_seed()[1:]
        homes = (seed_directory(self.home, one.training.seed) for one in further)
        return [type(self).open(home / self.path.name, **self.parts) for home in homes]

    @property
    def data_options(self) -> DataOptions | None:
        """Where its data come from; None if unknown."""
        options = None if self.config is None else self.config.data
        return options if options is not None and options.data is not None else None

    @cached_property
    def data(self) -> Splits:
        """Its training, validation and test data.

        Raises:
            FileNotFoundError: If they no longer exist.
            ValueError: If it does not say where they come from.
        """
        return self._opened(drawn_once=False)

    @cached_property
    def measured(self) -> Splits:
        """The same for measuring: grey values of the training data are binarised once."""
        drawn = self.data_options is not None and self.data_options.binarise == "dynamic"
        return self._opened(drawn_once=True) if drawn else self.data

    def _opened(self, *, drawn_once: bool) -> Splits:
        if self.data_options is None:
            raise ValueError(
                f"expected the data of {self.path} in its {CONFIG}, got none; name them with "
                "--data."
            )
        return self.data_options.open(self.seed, drawn_once=drawn_once)

    @property
    def test(self) -> Part:
        """Its test data, or its validation data if it has none."""
        return held_out(self.measured)

    @property
    def training(self) -> Part | None:
        """Its training data for measuring; None if unknown."""
        try:
            return None if self.data_options is None else self.measured.train
        except FileNotFoundError:
            return None

    @cached_property
    def format(self) -> DataFormat | None:
        """The format of its data; None for a saved model."""
        try:
            return DataFormat.read(self.home)
        except FileNotFoundError:
            return None

    def part(
        self,
        data: str | None = None,
        labels: str | None = None,
        data_options: Mapping[str, Any] | None = None,
    ) -> Part:
        """Open data in the same way as the training data; by default the run's test data.

        Args:
            data: A file or a folder.
            labels: A file of labels.
            data_options: Options for this kind of data.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it cannot be read, or does not fit.
        """
        if data is None:
            part = self.test
        elif self.format is not None:
            part = self.format.open(data, labels=labels, options=data_options, seed=self.seed)
        else:  # a saved model does not say what its data looked like
            part = open_source(data, labels=labels, options=data_options).whole()
        return part

    def labelled_part(self, *further: Any) -> Part:
        """Open data like `part`, with the labels that the model needs."""
        part, data = self.part(*further), next(iter(further), None)
        for needed in self.model.needs:
            if part.annotations[needed] is None:
                whose = f" ({type(self.model.prior).__name__})" if needed == "labels" else ""
                advice = "name a file of them with --labels, or " if needed == "labels" else "name "
                raise ValueError(
                    f"expected {WORDS[needed]} of {data or 'the test data'}, which the "
                    f"model{whose} needs, got none; {advice}data that include them."
                )
        return part

    @property
    def curves(self) -> dict[str, list[float | None]]:
        """The validation curves of its training."""
        return read_curves(self.path)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Its numbers from `metrics.json` for this model; empty if there are none."""
        record = read_record(self.home / METRICS, "a run") or {}
        return cast(dict[str, Any], record.get(self.path.name, record))

    @torch.no_grad()
    def check_fits(
        self, x: Tensor, name: str, labels: Tensor | None = None, start: int = 0
    ) -> None:
        """Check that data suit the model.

        Args:
            x: The data, `(N, *data_shape)`.
            name: What to call them in an error message.
            labels: Their labels, if the model takes labels.
            start: The position of the first of them.

        Raises:
            ValueError: If they have the wrong shape, or one is outside the support of the
                likelihood.
        """
        vae = self.model
        if self.format is not None and x.shape[1:] != self.format.data_shape:
            raise _unlike(self.format.data_shape, x, name)
        of_any_batch = torch.zeros(1, dtype=torch.long)
        label = None if labels is None else labels[:1]
        context = vae.context_of(label, batch_label=of_any_batch)
        z = vae.posterior(torch.zeros_like(x[:1]), context).mean  # log p(x) may not be finite
        likelihood = vae.likelihood(z, context)
        if x.shape[1:] != likelihood.event_shape:
            raise _unlike(likelihood.event_shape, x, name)
        inside = cast(Constraint, likelihood.support).check(x)
        if not inside.all():
            first = start + int((~inside).nonzero()[0])
            raise ValueError(
                "expected data within the support of the model's likelihood, got values outside "
                f"it in example {first} of {name}; name other data with --data."
            )


def _unlike(shape: Sequence[int], x: Tensor, name: str) -> ValueError:
    return ValueError(
        f"expected data of shape (N, {', '.join(map(str, shape))}), like the data that the model "
        f"was trained on, got {tuple(x.shape)} from {name}; name other data with --data."
    )


def held_out(splits: Splits) -> Part:
    """Return the data to measure on: the test data, or the validation data if there are none."""
    return splits.test if len(splits.test) else splits.validation


def read_config(file: Path) -> Config | None:
    """Read and check the configuration of a run; it names no class.

    Returns:
        The configuration, in the class that its options imply; None if it names no data, which
        those written by commands always do.

    Raises:
        ValueError: If it is invalid, or an option is unknown, of the wrong type or out of range.
    """
    values = without_classes(without_trainer(read_plain(file)), file, refuse=False)
    if "data" not in values:
        return None
    refit: dict[str, type[Config]] = dict.fromkeys(("run", "latents"), RefitConfig)
    kinds: dict[str, type[Config]] = {"priors": CompareConfig, **refit}
    kind = next((kinds[name] for name in kinds if name in values), TrainConfig)
    values.pop("run", None)
    return checked(kind, values, str(file))


def write_config(config: Config, directory: Path, **more: Any) -> str:
    """Write the configuration of a run to its directory, and return its text."""
    values = without_classes({**more, **flat(config)}, directory / CONFIG, refuse=False)
    text: str = yaml.safe_dump(values, sort_keys=False)
    write_whole(directory / CONFIG, text.encode())
    return text


def _is_ready(vae: VAE) -> bool:
    """Whether a loaded prior can be called, or needs training data that were not saved."""
    if vae.prior.needs_labels:  # these have no data
        return True
    try:
        vae.prior_distribution()
    except RuntimeError:
        return False
    return True
