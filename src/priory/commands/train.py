"""`priory train`: one model, trained as long as it takes and resumable at any moment."""

import inspect
import json
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from lightning.fabric.utilities.rank_zero import _get_rank
from rich.console import Console

from priory import report, training
from priory.commands.run_data import open_run_data
from priory.commands.user_classes import build_module, names_a_class, trainer_options
from priory.data import DataFormat, describe
from priory.files import write_whole
from priory.likelihoods import LikelihoodName, choose_likelihood
from priory.report import Recipe, Subject, write_figures, write_page
from priory.saving import save
from priory.training import TrainingSettings, build, next_free

CONFIG, METRICS, CHECKPOINT = "config.yaml", "metrics.json", "last.ckpt"


def train(
    data: str = "digits",
    data_options: dict[str, Any] | None = None,
    labels: str | None = None,
    prior: str = "VampPrior",
    latent_dim: int | None = None,
    num_components: int | None = None,
    init: Literal["random", "data"] = "data",
    prior_options: dict[str, Any] | None = None,
    network: Literal["mlp", "gated-mlp", "conv"] = "mlp",
    hidden_sizes: Sequence[int] = (256, 256),
    encoder: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    likelihood: LikelihoodName = "auto",
    num_values: int | None = None,
    binarise: Literal["none", "dynamic", "static"] = "none",
    validation: float | str = 0.1,
    test: float | str = 0.1,
    importance_samples: int = 512,
    trainer: dict[str, Any] | None = None,
    checkpoint_seconds: float = 10.0,
    resume: bool = False,
    out: str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> None:
    """Train a VAE on data, and measure it on data that it has not seen.

    The run directory holds the configuration, the training curves, the model with the best
    validation ELBO, its numbers on the test data and a report to open in a browser. A run that was
    interrupted goes on with `--resume` and ends with the same weights as one that was not.

    Args:
        data: The data: `digits`, `mnist` or `fashion-mnist`; a file, whose ending says its kind
            (`.npy`, `.npz`, `.pt`, `.csv`, `.tsv`, `.parquet`, `.h5ad`, `-ubyte`); or a folder of
            images, or of IDX files as MNIST's.
        data_options: Further options of the kind: of a table `label`, `part`, `drop`,
            `categorical`, `missing_numbers`, `missing_categories` and `separator`, such as
            `{label: species}`; of `.h5ad` `layer`, `label` and `part`.
        labels: A file of labels, one for each datum, `.npy` or IDX.
        prior: The name of the prior, such as `VampPrior` or `mog`.
        latent_dim: The number of latent dimensions; by default a quarter of the data's, between 2
            and 40.
        num_components: The number of components of a prior that has some; by default one for every
            20 data, at most 500.
        init: Whether the components of the prior start at random or from the training data.
        prior_options: Further arguments of the prior, such as `{weights: uniform}`.
        network: The kind of networks of the encoder and the decoder: `mlp` fully connected,
            `gated-mlp` with gates, `conv` convolutions for images.
        hidden_sizes: The widths of their hidden layers, such as `[300, 300]`.
        encoder: An encoder of your own that returns q(z|x), as `{class_path: package.MyEncoder,
            init_args: {...}}`.
        decoder: A decoder of your own that returns p(x|z), likewise.
        likelihood: The likelihood of the data; `auto` chooses by their values and says why.
        num_values: The number of values of a categorical likelihood, by default one more than the
            largest in the data, or of a discretized logistic one, by default 256.
        binarise: Whether grey values are drawn as zeros and ones: anew in each epoch (`dynamic`),
            once (`static`), or not.
        validation: The fraction of the data to validate on, where they bring no split of their own,
            or a file of such data.
        test: The fraction to test on, or a file of such data, likewise.
        importance_samples: The importance samples per datum for the test NLL.
        trainer: Arguments of Lightning's `Trainer`, such as `--trainer.precision bf16-mixed`.
        checkpoint_seconds: The least time between two checkpoints; zero writes one each epoch.
        resume: Whether to go on with the run in `--out`; where it has no checkpoint yet, from the
            start.
        out: The run directory, made by the command; by default the first free of `runs/train-1`,
            `runs/train-2`, ...
        quiet: Whether to print nothing but errors.
        **settings: How to train; the seed is that of everything random.

    """
    how = TrainingSettings(**settings)
    if importance_samples < 1 or not checkpoint_seconds >= 0:
        raise ValueError(
            "expected at least one importance sample and zero seconds or more between checkpoints, "
            f"got {importance_samples} and {checkpoint_seconds:g}."
        )
    config = {
        "data": data,
        "data_options": data_options,
        "labels": labels,
        "prior": prior,
        "latent_dim": latent_dim,
        "num_components": num_components,
        "init": init,
        "prior_options": prior_options,
        "network": network,
        "hidden_sizes": list(hidden_sizes),
        "encoder": encoder,
        "decoder": decoder,
        "likelihood": likelihood,
        "num_values": num_values,
        "binarise": binarise,
        "validation": validation,
        "test": test,
        "importance_samples": importance_samples,
        "trainer": trainer,
        **asdict(how),
    }
    first = not _get_rank()
    if out is None and (resume or not first):
        raise ValueError(
            "expected the run directory, got none; name it with --out to resume a run, or to train "
            "with several processes."
        )
    target = Path(out) if out is not None else next_free("runs", "train")
    if resume:
        config = _saved(target, config)
        if (target / METRICS).is_file():
            Console(quiet=quiet).print(f"{target} is finished already.")
            return
    elif first and target.exists():
        raise FileExistsError(
            f"expected a directory that does not exist yet, got {target}; name another, or go on "
            "with the run in it with --resume."
        )
    console = Console(quiet=quiet or not first, soft_wrap=True)
    _train(config, target, checkpoint_seconds, console, first)


def _train(
    config: dict[str, Any], run: Path, seconds: float, console: Console, first: bool
) -> None:
    """Train what a configuration says; only the first process writes to the run directory."""
    names = TrainingSettings.__dataclass_fields__
    how = TrainingSettings(**{name: config[name] for name in names})
    splits = open_run_data(config)
    spans = None if splits.columns is None else splits.columns.spans
    likelihood = choose_likelihood(
        splits.modelled, config["likelihood"], config["num_values"], spans=spans
    )
    vae = build(
        splits,
        likelihood,
        config["prior"],
        latent_dim=config["latent_dim"],
        num_components=config["num_components"],
        init=config["init"],
        prior_options=config["prior_options"],
        network=config["network"],
        hidden_sizes=config["hidden_sizes"],
        encoder=build_module("encoder", config["encoder"]),
        decoder=build_module("decoder", config["decoder"]),
        seed=how.seed,
    )
    options = trainer_options(config["trainer"])
    console.print(f"{describe(splits)}\n{likelihood}; {vae.prior}; {how}.", highlight=False)
    with _begun(run, first):
        if first:
            DataFormat.of(splits).write(run)
            write_whole(run / CONFIG, yaml.safe_dump(config, sort_keys=False).encode())
        start = time.perf_counter()
        history = training.train(
            vae,
            splits,
            how,
            console=None if console.quiet else console,
            curves=run,
            checkpoint=run / CHECKPOINT,
            checkpoint_seconds=seconds,
            trainer=options,
        )
    if not first:
        return
    save(vae, run)
    part, name = (splits.test, "test") if len(splits.test) else (splits.validation, "validation")
    prior = type(vae.prior).__name__
    console.print(
        f"Measuring on {len(part):,} {name} data, with {config['importance_samples']:,} importance "
        "samples each.",
        highlight=False,
    )
    entry = report.entry(
        prior,
        vae,
        part,
        importance_samples=config["importance_samples"],
        seed=how.seed,
        epochs=history.epochs,
        seconds=time.perf_counter() - start,
        curves=run,
    )
    evaluation = entry.evaluation
    evaluation.write_log_prob(run)
    metrics = {"data": name, **evaluation.numbers, **asdict(history)}
    (run / prior).mkdir(exist_ok=True)
    write_figures(run, [entry], likelihood.data_range)
    command = shlex.join(["priory", "train", "--config", str(run / CONFIG)])
    subject = Subject(
        title=f"{prior} on {splits.name}",
        summary=(
            f"A VAE trained on {len(splits.train):,} data and measured on {len(part):,} others "
            f"({name})."
        ),
        data_range=likelihood.data_range,
        recipes=(Recipe("priory train", command, (run / CONFIG).read_text()),),
        label_names=splits.label_names,
        columns=splits.columns,
    )
    write_page(run / "report.html", [entry], subject)
    write_whole(run / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    (run / CHECKPOINT).unlink(missing_ok=True)
    console.print(
        f"{name} NLL {evaluation.nll:.2f} ± {evaluation.nll_standard_error:.2f}, by "
        f"{evaluation.num_samples} importance samples per example, ± its standard error over them, "
        f"in {report.density_unit(splits.columns)[0]}; the report is {run / 'report.html'}.",
        highlight=False,
    )


@contextmanager
def _begun(run: Path, first: bool) -> Iterator[None]:
    """Make the run directory; an error before there is a checkpoint to go on from unmakes it."""
    fresh = first and not run.exists()
    if first:
        try:
            run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise type(error)(
                f"expected a directory that can be written to, got {run} ({error.strerror}); "
                "name another."
            ) from error
    try:
        yield
    except Exception:  # an interrupted run stays, and is resumed
        if fresh and not (run / CHECKPOINT).is_file():
            shutil.rmtree(run, ignore_errors=True)
        raise


def _saved(run: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run that is to go on, or the one asked for if it has none."""
    defaults = {**asdict(TrainingSettings()), **_defaults()}
    if not (run / CONFIG).is_file():
        if all(asked[name] == defaults[name] for name in asked):
            raise FileNotFoundError(
                f"expected a run to go on with in {run}, found no {CONFIG} there; name the data to "
                "train on to start one."
            )
        return asked
    try:
        written = yaml.safe_load((run / CONFIG).read_text())
        newer = asdict(TrainingSettings())  # than a run of before, which lacks some of them
        saved: dict[str, Any] = {**written, **newer, **written}
        differing = [name for name in asked if saved[name] != asked[name]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(
            f"expected the configuration of a run in {run / CONFIG}, got a file that is damaged."
        ) from error
    named = [name for name in ("encoder", "decoder", "trainer") if names_a_class(saved[name])]
    if unnamed := [name for name in named if asked[name] != saved[name]]:
        raise ValueError(
            f"expected the class of {unnamed[0]} to be given again, as a saved run imports "
            "nothing; resume with the --config that the run was started with."
        )
    if other := [name for name in differing if asked[name] != defaults[name]]:
        name = other[0]
        raise ValueError(
            f"expected {name} to be {saved[name]!r} as in {run}, got {asked[name]!r}; resume "
            "without it, or train in another directory."
        )
    return saved


def _defaults() -> dict[str, Any]:
    parameters = inspect.signature(train).parameters
    found = {name: parameter.default for name, parameter in parameters.items()}
    return {**found, "hidden_sizes": list(found["hidden_sizes"])}
