"""Write the models of `0.1.0/models`, with their densities: run with version 0.1.0 alone.

    PYTHONPATH=<a checkout of 0.1.0>/src python tests/stored/write_models_0_1_0.py

There is a model for each prior and each of its options, each decoder and each kind of network, in
the spelling of 0.1.0. Each directory holds what `priory.save` wrote and `expected.json`: points z
and x with log p(z), the mean and the scale of q(z|x), and log p(x|z), all as the type of the model
gives them. Where a density needs them, the labels, the index or the training data stand there too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

import priory
from priory import networks

MODELS = Path(__file__).parent / "0.1.0" / "models"
N, L, D = 5, 2, 4
DATA = torch.tensor([[0.0, 0, 1, 1], [1, 0, 1, 0], [0.5, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0.5]])
BITS = (DATA > 0.4).float()
BOUNDS = ([0.0, 0.0, -1.0, 0.0], [1.0, 1.0, 1.0, 2.0])
LABELS = (2, 0, 1, 1, 0)
SPANS = [["numeric", 0, 1], ["count", 1, 2], ["categorical", 2, 4]]
MIXED = torch.tensor(
    [[0.5, 3, 1, 0], [-1.2, 0, 0, 1], [0.1, 7, 0, 1], [2.0, 1, 1, 0], [-0.3, 2, 1, 0]]
)
COUNTS = torch.tensor([[0.0, 3, 20, 1], [1, 0, 5, 0], [0, 2, 11, 1], [4, 1, 0, 0], [0, 0, 17, 2]])
TYPICAL = [0.5, 1.0, 10.0, 0.8]
NSF = {"transforms": 1, "hidden_features": [4], "bins": 4}
NVP = {"transforms": 2, "hidden_features": [4]}
SMALL = {"truncation": 5, "hidden_sizes": (4,), "num_evaluation_samples": 256}


class OwnEncoder(nn.Module):
    """An encoder that is not one of Priory's."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(D, 2 * L)

    def forward(self, x: Tensor, context: priory.Context | None = None) -> Distribution:
        """Return q(z|x)."""
        loc, log_scale = self.linear(x).chunk(2, -1)
        return Independent(Normal(loc, log_scale.exp()), 1)


@dataclass(frozen=True)
class Row:
    """A model by its parts, with the points x and what is known of them."""

    prior: Callable[[], nn.Module]
    decoder: Callable[[], nn.Module] | None = None
    encoder: Callable[[], nn.Module] | None = None
    x: Tensor = BITS
    dtype: torch.dtype = torch.float32
    labels: Any = None
    index: tuple[int, ...] | None = None
    data: Tensor | None = None


def mlp(in_shape: tuple[int, ...], out_shape: tuple[int, ...], num_labels: int | None = None):
    """Return a tiny network."""
    return networks.MLP(in_shape, out_shape, (5,), num_labels=num_labels)


def encoder(**options: Any) -> nn.Module:
    """Return a tiny encoder of four values."""
    return networks.GaussianEncoder(mlp((D,), (2 * L,), options.pop("num_labels", None)), **options)


def bernoulli(num_labels: int | None = None) -> nn.Module:
    """Return a tiny decoder of zeros and ones."""
    return networks.BernoulliDecoder(mlp((L,), (D,), num_labels))


def resampled(proposal: str, **options: Any) -> Callable[[], nn.Module]:
    """Return how to make a resampled prior by its name, as the command line makes it."""
    facts = {"num_components": 3, "data_shape": (D,), "data_range": (0.0, 1.0)}
    more = {**SMALL, "proposal": proposal, **options}
    return lambda: priory.make_prior("ResampledPrior", latent_dim=L, **facts, **more)


def rows() -> dict[str, Row]:
    """Return every model by its name."""
    standard, vamp = (lambda: priory.StandardPrior(L)), (lambda: priory.VampPrior(3, (D,)))

    def prior(name: str, *arguments: Any, **options: Any) -> Callable[[], nn.Module]:
        return lambda: getattr(priory, name)(*arguments, **options)

    def vamps(**options: Any) -> Callable[[], nn.Module]:
        return prior("VampPrior", 3, (D,), **options)

    def decoder(name: str, *shape: int, **options: Any) -> Callable[[], nn.Module]:
        return lambda: getattr(networks, name)(mlp((L,), shape or (D,)), **options)

    def labelled() -> nn.Module:
        return bernoulli(num_labels=3)

    def conv(shape: tuple[int, ...], pixel_shape: tuple[int, ...] = ()) -> dict[str, Any]:
        into, out = networks.ConvEncoderNetwork, networks.ConvDecoderNetwork
        kind = networks.CategoricalDecoder if pixel_shape else networks.BernoulliDecoder
        small = {"hidden_sizes": (4,), "channels": (3,)}
        high = pixel_shape[0] - 1 if pixel_shape else 1
        return {
            "prior": prior("VampPrior", 3, shape, data_range=(0, high)),
            "encoder": lambda: networks.GaussianEncoder(
                into(shape, (2 * L,), **small), data_range=(0, high)
            ),
            "decoder": lambda: kind(out((L,), shape, pixel_shape, **small)),
            "x": torch.arange(N * torch.Size(shape).numel()).view(N, *shape) * 7 % 11 % (high + 1),
        }

    gated = {
        "encoder": lambda: networks.GaussianEncoder(networks.GatedMLP((D,), (2 * L,), (4, 3))),
        "decoder": lambda: networks.BernoulliDecoder(networks.GatedMLP((L,), (D,), (4, 3))),
    }
    one_label, told = {"labels": LABELS}, {"labels": LABELS, "decoder": labelled}
    shares = torch.tensor([[0.2, 0.3, 0.5], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]])
    pixels = torch.arange(N * D).view(N, D) % 16
    priors = {
        "standard": Row(standard),
        "mog": Row(prior("MoGPrior", L, 3, spread=2.0)),
        "mog-em": Row(prior("MoGPrior", L, 3, init="em")),
        "mog-factorized": Row(prior("MoGPrior", L, 3, factorized=True)),
        "vamp": Row(vamp),
        "vamp-kmeans": Row(vamps(init="kmeans")),
        "vamp-uniform": Row(vamps(weights="uniform")),
        "vamp-factorized": Row(vamps(factorized=True)),
        "vamp-factorized-uniform": Row(vamps(factorized=True, weights="uniform")),
        "vamp-generator": Row(vamps(generator=(3,))),
        "vamp-generator-linear": Row(vamps(generator=())),
        "vamp-generator-uniform": Row(vamps(generator=(3,), weights="uniform")),
        "vamp-groups": Row(vamps(num_groups=3), **one_label),
        "vamp-groups-factorized": Row(vamps(num_groups=3, factorized=True), **one_label),
        "vamp-groups-generator": Row(vamps(num_groups=3, generator=(3,)), **one_label),
        "vamp-range": Row(vamps(data_range=BOUNDS), encoder=lambda: encoder(data_range=BOUNDS)),
        "vamp-range-generator": Row(vamps(data_range=BOUNDS, generator=(3,))),
        "gtm": Row(prior("GTMPrior", L, 9, hidden_sizes=(4,))),
        "gtm-side": Row(prior("GTMPrior", L, grid_side=2, grid_extent=2.0, hidden_sizes=(4,))),
        "gtm-vamp": Row(prior("GTMVampPrior", 4, (D,), hidden_sizes=(4,))),
        "gtm-vamp-range": Row(
            prior("GTMVampPrior", None, (D,), BOUNDS, grid_side=3, hidden_sizes=(4,))
        ),
        "flow-nsf": Row(prior("FlowPrior", L, "NSF", NSF)),
        "flow-realnvp": Row(prior("FlowPrior", L, "RealNVP", NVP)),
        "flow-maf": Row(prior("FlowPrior", L, "MAF", {"transforms": 2, "hidden_features": [4]})),
        "exemplar": Row(prior("ExemplarPrior"), data=DATA),
        "exemplar-posterior": Row(prior("ExemplarPrior", scale="posterior"), data=DATA),
        "exemplar-left-out": Row(prior("ExemplarPrior"), data=DATA, index=(0, 1, 2, 3, 4)),
        "exemplar-subset": Row(
            prior("ExemplarPrior", scale="posterior", subset_size=10),
            data=DATA,
            index=(4, 0, 1, 3, 2),
        ),
        "resampled": Row(prior("ResampledPrior", L, **SMALL)),
        "resampled-mog": Row(
            prior("ResampledPrior", L, "MoGPrior", {"num_components": 3, "spread": 2.0}, **SMALL)
        ),
        "resampled-vamp": Row(resampled("VampPrior", proposal_options={"weights": "uniform"})),
        "resampled-flow": Row(
            resampled("flow", proposal_options={"flow": "RealNVP", "options": NVP})
        ),
        "resampled-exemplar": Row(resampled("ExemplarPrior"), data=DATA),
        "conditional-mog": Row(prior("ConditionalMoGPrior", L, 2, 3, spread=2.0), **one_label),
        "conditional-vamp": Row(prior("ConditionalVampPrior", 2, 3, (D,)), **told),
        "conditional-vamp-labels": Row(
            prior("ConditionalVampPrior", 2, 3, (D,), BOUNDS),
            encoder=lambda: encoder(num_labels=3, data_range=BOUNDS),
            **told,
        ),
        "conditional-vamp-learned": Row(
            prior("ConditionalVampPrior", 4, 3, (D,), covariates="learned"), **one_label
        ),
        "conditional-vamp-learned-labels": Row(
            prior("ConditionalVampPrior", 4, 3, (D,), covariates="learned"),
            encoder=lambda: encoder(num_labels=3),
            **told,
        ),
    }
    values = {"x": pixels, "encoder": lambda: encoder(data_range=(0, 15))}
    logged = {"encoder": lambda: encoder(data_range=(0, 20), transform="log1p"), "x": COUNTS}
    ranged = {"encoder": lambda: encoder(data_range=BOUNDS), "x": DATA}
    mixed = decoder("MixedDecoder", spans=SPANS, typical_counts=[2.5])
    mixed_row = {
        "decoder": mixed,
        "encoder": lambda: encoder(data_range=([-2, 0, 0, 0], [2, 9, 1, 1])),
        "x": MIXED,
    }
    logistic = "DiscretizedLogisticDecoder"
    decoders = {
        "bernoulli": Row(standard),
        "categorical": Row(standard, decoder("CategoricalDecoder", D, 16), **values),
        "logistic-shared": Row(standard, decoder(logistic, num_values=16), **values),
        "logistic-network": Row(
            standard, decoder(logistic, D, 2, num_values=16, scale="network"), **values
        ),
        "logistic-fixed": Row(
            standard, decoder(logistic, num_values=16, scale=2.5, min_scale=0.01), **values
        ),
        "gaussian-shared": Row(standard, decoder("GaussianDecoder"), x=DATA),
        "gaussian-network": Row(
            standard, decoder("GaussianDecoder", D, 2, scale="network", min_scale=0.01), x=DATA
        ),
        "gaussian-fixed": Row(standard, decoder("GaussianDecoder", scale=0.3), x=DATA),
        "gaussian-range": Row(standard, decoder("GaussianDecoder", data_range=BOUNDS), **ranged),
        "poisson": Row(standard, decoder("PoissonDecoder"), **logged),
        "poisson-typical": Row(
            standard, decoder("PoissonDecoder", typical_counts=TYPICAL), **logged
        ),
        "negative-binomial": Row(
            standard, decoder("NegativeBinomialDecoder", data_shape=(D,)), **logged
        ),
        "negative-binomial-typical": Row(
            standard,
            decoder(
                "NegativeBinomialDecoder",
                data_shape=(D,),
                typical_counts=TYPICAL,
                min_dispersion=0.01,
            ),
            **logged,
        ),
        "mixed": Row(standard, **mixed_row),
        "mixed-numeric": Row(
            standard, decoder("MixedDecoder", spans=[["numeric", 0, D]], min_scale=0.1), x=DATA
        ),
    }
    kinds = {
        "gated-mlp": Row(vamp, **gated),
        "conv": Row(**conv((8, 8))),
        "conv-colour": Row(**conv((3, 6, 5), (4,))),
        "labelled-encoder": Row(standard, encoder=lambda: encoder(num_labels=3), labels=LABELS),
        "labelled-decoder": Row(vamp, labelled, labels=LABELS),
        "labelled-both": Row(standard, labelled, lambda: encoder(num_labels=3), labels=LABELS),
        "label-shares": Row(standard, labelled, lambda: encoder(num_labels=3), labels=shares),
        "own-encoder": Row(standard, encoder=OwnEncoder),
    }
    double, half = {"dtype": torch.float64}, {"dtype": torch.bfloat16}
    types = {
        "vamp-float64": Row(vamp, **double),
        "vamp-range-float64": Row(
            vamps(data_range=BOUNDS), decoder("GaussianDecoder", scale=0.3), **ranged, **double
        ),
        "vamp-bfloat16": Row(vamp, **half),
        "mog-bfloat16": Row(prior("MoGPrior", L, 3, spread=2.0), **half),
        "gtm-float64": Row(prior("GTMPrior", L, 9, hidden_sizes=(4,)), **double),
        "flow-nsf-float64": Row(prior("FlowPrior", L, "NSF", NSF), **double),
        "resampled-float64": Row(prior("ResampledPrior", L, **SMALL), **double),
        "exemplar-float64": Row(prior("ExemplarPrior"), data=DATA, **double),
        "standard-bfloat16": Row(standard, **half),
        "mixed-float64": Row(standard, **mixed_row, **double),
        "gaussian-float64": Row(
            standard, decoder("GaussianDecoder", data_range=BOUNDS), **ranged, **double
        ),
        "conv-bfloat16": Row(**conv((8, 8)), **half),
    }
    return {**priors, **decoders, **kinds, **types}


@torch.no_grad()
def model(row: Row, seed: int) -> priory.VAE:
    """Return a model with no parameter at its start, where many are equal."""
    torch.manual_seed(seed)
    vae = priory.VAE((row.encoder or encoder)(), (row.decoder or bernoulli)(), row.prior())
    for part, size in ((vae.encoder, 0.3), (vae.decoder, 0.3), (vae.prior, 0.4)):
        for parameter in part.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    vae = vae.to(row.dtype).eval()
    if row.data is not None:
        vae.prior.fit_data(row.data.to(row.dtype), vae.encoder)
    return vae


@torch.no_grad()
def expected(vae: priory.VAE, row: Row) -> dict[str, Any]:
    """Return points, and the densities of the model there."""
    x = row.x.to(row.dtype)
    z = torch.linspace(-2, 2, N * L).view(N, L).flip(0).mul(torch.tensor([1, -0.7])).to(row.dtype)
    labels = None if row.labels is None else torch.as_tensor(row.labels)
    if labels is not None and labels.is_floating_point():
        labels = labels.to(row.dtype)
    known = {"labels": labels, "index": None if row.index is None else torch.tensor(row.index)}
    given = any(value is not None for value in known.values())
    context = priory.Context(known["index"], labels) if given else None
    posterior, likelihood = vae.posterior(x, context), vae.likelihood(z, context)
    prior = vae.prior_distribution(context)
    tensors = {
        **known,
        "data": row.data,
        "z": z,
        "prior_log_prob": prior.log_prob(z),
        "x": x,
        "posterior_mean": posterior.mean,
        "posterior_scale": posterior.base_dist.scale,
        "likelihood_log_prob": likelihood.log_prob(x),
    }
    return {name: t.tolist() for name, t in tensors.items() if t is not None}


def write() -> None:
    """Write every model."""
    for seed, (name, row) in enumerate(rows().items()):
        vae, folder = model(row, seed), MODELS / name
        folder.mkdir(parents=True)  # a model that is there stays as it was written
        priory.save(vae, folder)
        description = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps(description) + "\n")
        values = expected(vae, row)
        lines = [f'  "{key}": {json.dumps(value)}' for key, value in values.items()]
        (folder / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
