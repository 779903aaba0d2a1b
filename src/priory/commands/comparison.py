"""Train and measure several priors, with one seed or several, for `compare` and `demo`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rich.measure import Measurement

from priory import report, training
from priory.commands.own_classes import own_logger, own_part
from priory.evaluation import Evaluation
from priory.files import write_record
from priory.report import Entry
from priory.report.differences import nll_difference
from priory.report.verdict import verdict
from priory.runs import CompareConfig
from priory.runs.begin import Begun, begin
from priory.runs.layout import METRICS, SEEDS, seed_directory
from priory.runs.run import write_config
from priory.saving import save


@dataclass(frozen=True)
class Comparison:
    """Priors that were trained on the same data and measured.

    Attributes:
        begun: The data and models of the first seed, and the configuration of all.
        entries: The measurements of each prior under all seeds; pictures are those of the first.
    """

    begun: Begun
    entries: Sequence[Entry]

    @classmethod
    def run(cls, config: CompareConfig, directory: Path, console: Any) -> "Comparison":
        """Train and measure, and write the models and the numbers.

        Args:
            config: What to train, on what and how.
            directory: An empty directory; each further seed gets its own directory inside.
            console: Where to print the progress.
        """
        first, *others = config.each_seed()
        begun = begin(first, own_part)
        console.print(str(begun))
        trained = [_trained(begun, directory, console)]
        for one in others:
            console.print(f"Seed {one.training.seed}:")
            home = seed_directory(directory, one.training.seed)
            home.mkdir()
            trained.append(_trained(begin(one, own_part), home, console))
        asked = replace(cast(CompareConfig, begun.config), repeats=config.repeats)
        begun = replace(begun, config=asked)
        write_config(asked, directory)
        entries = [
            report.entry(
                name,
                begun.models[name],
                begun.splits.test,
                importance_samples=config.measuring.importance_samples,
                seed=first.training.seed,
                evaluation=trained[0][name].evaluation,
                epochs=trained[0][name].epochs,
                seconds=sum(seed[name].seconds for seed in trained),
                curves=directory / name,
                repeats=[seed[name].evaluation for seed in trained[1:]],
                num_entries=len(begun.models),
                examples=not config.measuring.no_examples,
            )
            for name in begun.models
        ]
        if others:
            write_record(directory / SEEDS, _by_seed(entries))
        return cls(begun, entries)

    @property
    def summary(self) -> str:
        """What was done, in a sentence."""
        splits, seeds = self.begun.splits, len(self.entries[0].evaluations)
        sizes = getattr(self.begun.model.prior, "latent_dims", None)
        options: Any = self.begun.config.model
        dimensions = " + ".join(map(str, sizes or (options.latent_dim,)))
        return (
            f"The same VAE with {dimensions} latent dimensions, trained under {len(self.entries)} "
            f"priors {'' if seeds == 1 else f'with {seeds} seeds each '}on {len(splits.train):,} "
            f"examples and measured on {len(splits.test):,} others."
        )

    def write(self, directory: Path, place: Path, **more: Any) -> None:
        """Write the page and the figures.

        Args:
            directory: Where to write.
            place: Where the directory will be.
            **more: Other arguments of `report.write_report`, such as the title.
        """
        arguments = {"title": f"Priors on {self.begun.splits.name}", "summary": self.summary} | more
        report.write_report(directory, self.entries, self.begun, place=place, **arguments)

    def show(self, console: Any) -> None:
        """Print the table, and what follows from it."""
        splits = self.begun.splits
        title = f"{splits.name}: {len(splits.test)} test examples"
        table = report.comparison_table(self.entries, title, splits.columns)
        console.width = max(console.width, Measurement.get(console, console.options, table).minimum)
        console.print(table)
        if len(self.entries) > 1:
            console.print(verdict(self.entries).answer)


@dataclass(frozen=True)
class _Trained:
    evaluation: Evaluation
    epochs: int
    seconds: float


def _trained(begun: Begun, directory: Path, console: Any) -> dict[str, _Trained]:
    """Train each prior with one seed, and write the models and the numbers."""
    config, splits = begun.config, begun.splits
    how, machine, measuring = config.training, config.machine, config.measuring
    begun.write(directory)
    trained, metrics = {}, {}
    for name, vae in begun.models.items():
        start, logger = time.perf_counter(), own_logger(machine.logger)
        history = training.train(
            vae,
            splits,
            how,
            machine=machine,
            logger=logger,
            console=console,
            curves=directory / name,
        )
        seconds = time.perf_counter() - start
        save(vae, directory / name)
        evaluation = report.evaluated(
            vae, splits.test, measuring.importance_samples, how.seed, machine.device
        )
        evaluation.write_log_prob(directory / name)
        trained[name] = _Trained(evaluation, history.epochs, seconds)
        time_taken = {"epochs": history.epochs, "seconds": round(seconds, 2)}
        metrics[name] = evaluation.numbers | time_taken
    write_record(directory / METRICS, metrics)
    return trained


def _by_seed(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the numbers of each prior under each seed, and how its NLL differs from the first."""
    record = {}
    for entry in entries:
        numbers: dict[str, Any] = {}
        for measure in entry.evaluation.measures:
            values = [measure.read(one.record) for one in entry.evaluations]
            if measure.title and all(values):
                numbers[measure.name] = [value.number for value in values if value]
        gap = nll_difference(entry, entries[0])
        numbers["nll_difference"] = {
            "mean": gap.value,
            "standard_error_over_data": gap.error,
            "standard_error_over_seeds": gap.over_seeds,
            "seeds": list(gap.seeds),
            "is_reliable": gap.is_clear,
        }
        record[entry.name] = numbers
    return record
