"""`priory compare`: the same small VAE under several priors, side by side."""

import copy
import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from rich.console import Console
from rich.table import Table
from torch import Tensor

from priory.data import Likelihood, Splits, choose_likelihood, open_data
from priory.data.batches import mix
from priory.evaluation import Evaluation, evaluate
from priory.priors import VampPrior, make_prior, prior_class
from priory.report import density_comparison, density_figure, grid_figure, latent_map, write_report
from priory.report.html import Picture
from priory.report.latent_map import LatentMap, common_limits
from priory.saving import save
from priory.training import new_run_directory, train
from priory.training.fit import default_networks
from priory.training.run_directory import next_free
from priory.vae import VAE

HEADER = (
    "prior",
    "test NLL",
    "ELBO",
    "reconstruction",
    "rate",
    "components in use",
    "epochs",
    "seconds",
)


@dataclass(frozen=True)
class Result:
    """What one prior did.

    Attributes:
        name: The prior's class.
        vae: The trained model.
        evaluation: Its numbers on the test data.
        epochs: Epochs trained.
        seconds: Seconds of training.

    """

    name: str
    vae: VAE
    evaluation: Evaluation
    epochs: int
    seconds: float

    @property
    def row(self) -> list[str]:
        """The cells of the table."""
        e = self.evaluation
        used = "–" if e.components_in_use is None else f"{e.components_in_use:.1f}"
        return [
            self.name,
            f"{e.nll:.2f} ± {e.nll_standard_error:.2f}",
            f"{e.elbo:.2f}",
            f"{e.reconstruction:.2f}",
            f"{e.rate:.2f}",
            used,
            str(self.epochs),
            f"{self.seconds:.0f}",
        ]


def compare(
    priors: list[str] = ["StandardPrior", "MoGPrior", "VampPrior"],  # noqa: B006 (never changed)
    data: str = "digits",
    latent_dim: int = 2,
    num_components: int = 16,
    prior_options: dict[str, dict[str, Any]] | None = None,
    hidden_sizes: list[int] = [256, 256],  # noqa: B006
    likelihood: Literal["auto", "bernoulli", "categorical"] = "auto",
    num_values: int | None = None,
    epochs: int = 1000,
    patience: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    beta: float = 1.0,
    num_samples: int = 512,
    seed: int = 0,
    out: str | None = None,
) -> None:
    """Train the same small VAE with several priors and show what each prior did.

    Seed, data order, and the initial encoder and decoder are the same for every prior. The run
    directory holds a report to open in a browser, the figures, the numbers, the trained models and
    the configuration that repeats the run.

    Args:
        priors: The names of the priors.
        data: The data: `digits`, or the path of a `.npy` file of shape (N, ...).
        latent_dim: The number of latent dimensions.
        num_components: The number of components of each prior that has components.
        prior_options: Further arguments of priors by name, such as
            `{VampPrior: {weights: uniform}}`.
        hidden_sizes: The widths of the hidden layers of the encoder, and of the decoder.
        likelihood: The likelihood of the data; `auto` chooses by their values.
        num_values: The number of values of a categorical likelihood; by default one more than the
            largest in the data.
        epochs: The most epochs to train.
        patience: Epochs without a better validation ELBO after which training stops.
        batch_size: The number of data in a batch.
        learning_rate: The step size of Adamax.
        beta: The weight of the rate in the loss; one is the ELBO.
        num_samples: The importance samples per datum for the test NLL.
        seed: The seed of everything random.
        out: The run directory, made by the command; by default the first free of
            `runs/compare-1`, `runs/compare-2`, ...

    """
    config = {key: value for key, value in locals().items() if key != "out"}
    config["priors"] = names = [prior_class(name).__name__ for name in priors]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"expected one or more priors, each once, got {', '.join(names) or 'none'}."
        )
    options = {prior_class(name).__name__: own for name, own in (prior_options or {}).items()}
    if num_samples < 1:
        raise ValueError(f"expected at least one importance sample, got {num_samples}.")
    splits = open_data(data, seed)
    chosen = choose_likelihood(splits.all, likelihood, num_values)
    data_shape = tuple(splits.train.shape[1:])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder, decoder = default_networks(chosen, data_shape, latent_dim, hidden_sizes)
        models = {}
        for name in names:
            torch.manual_seed(mix(seed, 1))
            prior = make_prior(
                name,
                latent_dim=latent_dim,
                num_components=num_components,
                data_shape=data_shape,
                data_range=chosen.data_range,
                **options.get(name, {}),
            )
            models[name] = VAE(copy.deepcopy(encoder), copy.deepcopy(decoder), prior)

    console = Console()
    target = Path(out) if out is not None else next_free("runs", "compare")
    with new_run_directory(target) as run:
        console.print(
            f"{splits.name}: {len(splits.train)} data of shape {data_shape} to train on, "
            f"{len(splits.validation)} to validate, {len(splits.test)} to test; "
            f"{chosen.name} likelihood, {chosen.num_values} values ({chosen.why}).",
            highlight=False,
        )
        results = []
        for name, vae in models.items():
            start = time.perf_counter()
            history = train(
                vae,
                splits,
                max_epochs=epochs,
                patience=patience,
                batch_size=batch_size,
                learning_rate=learning_rate,
                beta=beta,
                seed=seed,
                console=console,
                curves=run / name,
            )
            seconds = time.perf_counter() - start
            save(vae, run / name)
            evaluation = evaluate(vae, splits.test, num_samples, seed)
            results.append(Result(name, vae, evaluation, history.epochs, seconds))
        _write(run, target, config, results, splits, chosen)
    console.print(_table(results, splits, num_samples))
    console.print(f"The report is {target / 'report.html'}.", highlight=False, soft_wrap=True)


def _table(results: Sequence[Result], splits: Splits, num_samples: int) -> Table:
    table = Table(
        title=f"{splits.name}, {len(splits.test)} test data, nats per datum",
        caption=f"NLL by {num_samples} importance samples per datum, ± its standard error over data",
    )
    for index, head in enumerate(HEADER):
        table.add_column(head, justify="right" if index else "left")
    for result in results:
        table.add_row(*result.row)
    return table


def _write(
    run: Path,
    target: Path,
    config: dict[str, Any],
    results: Sequence[Result],
    splits: Splits,
    likelihood: Likelihood,
) -> None:
    as_yaml = yaml.safe_dump(config, sort_keys=False)
    (run / "config.yaml").write_text(as_yaml)
    metrics = {
        r.name: {**asdict(r.evaluation), "epochs": r.epochs, "seconds": round(r.seconds, 2)}
        for r in results
    }
    (run / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    write_report(
        run / "report.html",
        title=f"Priors on {splits.name}",
        summary=(
            f"The same VAE, trained with {len(results)} priors on {len(splits.train)} data and "
            f"measured on {len(splits.test)} others, in nats per datum. NLL is the negative "
            f"log-likelihood by {results[0].evaluation.num_samples} importance samples per datum, "
            "± its standard error over data; lower is better. Components in use is the perplexity "
            "of the mean responsibilities over q(z)."
        ),
        header=HEADER,
        rows=[result.row for result in results],
        pictures=_draw(run, config["seed"], results, splits.test, likelihood),
        config=as_yaml,
        command=shlex.join(["priory", "compare", "--config", str(target / "config.yaml")]),
    )


@torch.no_grad()
def _draw(
    run: Path, seed: int, results: Sequence[Result], test: Tensor, likelihood: Likelihood
) -> dict[str, list[Picture]]:
    """Draw every figure, and say what it shows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        z = {r.name: r.vae.posterior(test).sample() for r in results}
        samples = {r.name: r.vae.sample(64) for r in results}
        pairs = {r.name: torch.cat((test[:8], r.vae.reconstruct(test[:8]))) for r in results}
        maps = [latent_map(r.name, r.vae.prior_distribution(), z[r.name]) for r in results]
        limits = common_limits(maps)
        shared = [
            latent_map(r.name, r.vae.prior_distribution(), z[r.name], limits) for r in results
        ]
    dots = "Contours of log p(z) under black dots, one sample of q(z|x) for each test datum"
    densities = _save_densities(run, maps, shared, dots)
    galleries = {"Samples": samples, "Reconstructions": pairs}
    captions = {
        "Samples": "{}: data decoded from 64 samples of the prior.",
        "Reconstructions": "{}: test data above, a reconstruction of each below.",
    }
    pictures = {
        "The prior and the aggregated posterior": densities[:1],
        "Each prior": densities[1:],
    }
    for heading, data in galleries.items():
        pictures[heading] = []
        for name, images in data.items():
            path = run / name / f"{heading.lower()}.png"
            grid_figure(images, likelihood.data_range).savefig(path, dpi=150)
            pictures[heading].append(Picture(path, captions[heading].format(name)))
    for result in results:
        if isinstance(result.vae.prior, VampPrior):
            pictures["Pseudo-inputs"] = [_save_pseudo_inputs(run / result.name, result.vae)]
    return pictures


def _save_densities(
    run: Path, maps: Sequence[LatentMap], shared: Sequence[LatentMap], dots: str
) -> list[Picture]:
    figure = density_comparison(shared)
    for suffix in ("png", "pdf"):
        figure.savefig(run / f"priors.{suffix}", dpi=150)
    pictures = [Picture(run / "priors.png", f"{dots}; the same axes and colours for every prior.")]
    for shown in maps:
        figure = density_figure(shown)
        for suffix in ("png", "pdf"):
            figure.savefig(run / shown.title / f"density.{suffix}", dpi=150)
        path = run / shown.title / "density.png"
        pictures.append(Picture(path, f"{shown.title}: {dots[0].lower() + dots[1:]}."))
    return pictures


def _save_pseudo_inputs(folder: Path, vae: VAE) -> Picture:
    prior = vae.prior
    assert isinstance(prior, VampPrior)
    weights = prior.logits.softmax(-1)
    heaviest = weights.argsort(descending=True)[:64]
    figure = grid_figure(
        prior.pseudo_inputs[heaviest],
        prior.data_range,
        labels=[f"{weight:.3f}" for weight in weights[heaviest].tolist()],
    )
    figure.savefig(folder / "pseudo_inputs.png", dpi=150)
    return Picture(
        folder / "pseudo_inputs.png",
        f"The {len(heaviest)} heaviest of {len(weights)} pseudo-inputs, with their weights.",
    )
