"""What a model is used for: `python tests/far_cases.py` has the model on a far device.

It prints a JSON object with the error of each use, or None: with the model there and the data here,
the other way round, and with a model on a device without float64; and how many rows of data
were brought there at once.
"""

import importlib
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor
from torch.nn import Module

from cases import CASES as PRIORS
from cases import make_encoder
from far_device import FAR, FarDevice, register
from levels import hierarchical_vae, ladder_vae
from likelihood_cases import CASES as LIKELIHOODS
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ConditionalMoGPrior,
    ConditionalVampPrior,
    Context,
    ExemplarPrior,
    GaussianEncoder,
    GTMPrior,
    MoGPrior,
    Prior,
    VampPrior,
    aggregated_posterior,
    elbo,
    fit_prior,
    importance_weighted_loss,
    loss,
)
from priory import evaluation as ev
from priory.aggregate import marginal_prior
from priory.distributions.mixture import blocks
from priory.likelihoods import NegativeBinomialDecoder
from priory.networks import NormedMLP

Use = Callable[[Tensor, Tensor, Callable[[Module], Module]], object]

N = 40
X = (torch.rand(N, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()
Y = torch.arange(N) % 3


def model(prior: Prior | None = None, labelled: bool = False) -> VAE:
    labels = 3 if labelled else None
    encoder = GaussianEncoder(MLP((4,), (4,), (8,), num_labels=labels))
    decoder = BernoulliDecoder(MLP((2,), (4,), (8,), num_labels=labels))
    return VAE(encoder, decoder, MoGPrior(2, 3) if prior is None else prior)


def conditional() -> VAE:
    return model(ConditionalMoGPrior(2, 2, num_labels=3), labelled=True)


def fitted(name: str, vae: VAE, x: Tensor, **options) -> object:
    options = {"num_components": 3, "max_epochs": 1, "verbose": False, **options}
    return fit_prior(name, vae.encoder, x, **options)


def stepped(vae: VAE, x: Tensor, function=loss, **options) -> None:
    function(vae, x, 3, **options).backward()
    torch.optim.Adam(vae.parameters()).step()


def walked(vae: VAE, x: Tensor) -> None:
    z = vae.posterior(x).sample()
    seen = ev.explore(vae, x, z=z, side=9, stops=2, num_samples=9)
    assert seen.components is not None


def shown(prior: Prior, vae: VAE, x: Tensor) -> None:
    prior = prior.to(next(vae.parameters()).device)
    prior.fit_data(x, vae.encoder)
    prior(vae.encoder).log_prob(vae.posterior(x).sample())


def of_prior(case) -> Use:
    def use(x: Tensor, y: Tensor, to) -> None:
        encoder = make_encoder()
        vae = to(VAE(encoder, BernoulliDecoder(MLP((2,), (4,), (8,))), case.build()))
        context = case.context_for(len(x))
        loss(vae, x, context=context).backward()
        ev.negative_log_likelihood(vae.eval(), x, 3, context=context)
        ev.sample_data(vae, 5, context)

    return use


def of_likelihood(case) -> Use:
    def use(x: Tensor, y: Tensor, to) -> None:
        values = torch.tensor(case.x, dtype=torch.float32).repeat(5, 1)
        encoder = GaussianEncoder(MLP((values.shape[1],), (4,), (8,)), data_range=(-9e3, 9e3))
        vae = to(VAE(encoder, case.decoder(), MoGPrior(2, 3)))
        loss(vae, values).backward()
        ev.negative_log_likelihood(vae.eval(), values, 3)
        ev.sample_data(vae, 5)

    return use


def of_levels(vae: VAE, x: Tensor, to) -> None:
    data = x[:, :3].double()
    loss(to(vae), data, gradient="path").backward()
    ev.measure(vae.eval(), data, data, num_samples=30)
    ev.explore(vae, data, z=ev.top_level(vae).posterior(data).mean, side=9, stops=2)


def of_counts(x: Tensor, y: Tensor, to) -> None:
    network = NormedMLP((2,), (4,), (8,), num_batches=3)
    decoder = NegativeBinomialDecoder(
        network, (4,), exposure="total", dispersion="gene-batch", exposures=[9, 12, 20]
    )
    vae = to(VAE(GaussianEncoder(MLP((4,), (4,), (8,))), decoder, MoGPrior(2, 3)))
    counts = torch.poisson(5 * x + 2)
    context = vae.context_of(labels=y, batch_label=y)
    loss(vae, counts, context=context).backward()
    ev.evaluate(
        vae.eval(), counts, 5, context=context, annotations=Context(labels=y, batch_label=y)
    )


def reseeded(vae: VAE, x: Tensor) -> None:
    with torch.no_grad():
        vae.prior.loc[0] = 99
    assert vae.prior.reseed(x, vae.encoder) == 1


# Every measure of a model and its data, and what fits and trains one.
USES = {
    "evaluate": lambda x, y, to: ev.evaluate(to(model()), x, 8),
    "evaluate with labels": lambda x, y, to: ev.evaluate(
        to(conditional()), x, 8, context=Context(labels=y)
    ),
    "measure": lambda x, y, to: (
        ev.measure(to(model(VampPrior(3, (4,)))), x, x, num_samples=30, pareto_data=3).readings
    ),
    "measure with labels": lambda x, y, to: ev.measure(
        to(conditional()),
        x,
        x,
        context=Context(labels=y),
        training_context=Context(labels=y),
        num_samples=4,
    ),
    "nll": lambda x, y, to: ev.negative_log_likelihood(to(model()), x, 9).warnings,
    "surgery": lambda x, y, to: ev.surgery(to(model()), x, 2),
    "latent use": lambda x, y, to: ev.latent_use(to(model()), x),
    "holes": lambda x, y, to: ev.model_holes(to(model()), x, num_splits=2),
    "exhibit": lambda x, y, to: ev.exhibit(to(model()), x),
    "explore": lambda x, y, to: walked(to(model()), x),
    "marginal prior": lambda x, y, to: marginal_prior(to(conditional()), Context(labels=y)),
    "aggregated posterior": lambda x, y, to: aggregated_posterior(to(model()).encoder, x),
    "elbo": lambda x, y, to: elbo(to(conditional()), x, context=Context(labels=y)),
    "a step": lambda x, y, to: stepped(to(model()), x),
    "an upper bound": lambda x, y, to: stepped(to(model()), x, kl="upper"),
    "a step of many samples": lambda x, y, to: stepped(to(model()), x, importance_weighted_loss),
    "fit_prior mog": lambda x, y, to: fitted("mog", to(model()), x),
    "fit_prior em": lambda x, y, to: fitted("mog", to(model()), x, init="em"),
    "fit_prior vamp": lambda x, y, to: fitted("vamp", to(model()), x, init="kmeans"),
    "fit_prior kmedoids": lambda x, y, to: fitted("vamp", to(model()), x, init="kmedoids"),
    "fit_prior gtm": lambda x, y, to: fitted("gtm", to(model()), x, init="random"),
    "fit_prior with labels": lambda x, y, to: fitted(
        "ConditionalMoGPrior", to(conditional()), x, labels=y, num_components=2
    ),
    "exemplars": lambda x, y, to: shown(ExemplarPrior(), to(model()), x),
    "prune": lambda x, y, to: (vae := to(model())).prior.prune(vae.encoder, x, 0.5),
    "reseed": lambda x, y, to: reseeded(to(model()), x),
    "GTMPrior": lambda x, y, to: GTMPrior(3, 9),
    "ConditionalVampPrior": lambda x, y, to: (
        vae := to(model(ConditionalVampPrior(2, 3, (4,)), labelled=True))
    ).prior.fit_data(x, vae.encoder, Context(labels=y)),
    "impute": lambda x, y, to: ev.impute(to(model()), x, x > 0.5, num_steps=3),
    "two levels": lambda x, y, to: of_levels(hierarchical_vae(), x, to),
    "a ladder": lambda x, y, to: of_levels(ladder_vae(), x, to),
    "counts in batches": of_counts,
    **{f"prior {case.name}": of_prior(case) for case in PRIORS},
    **{f"likelihood {name}": of_likelihood(case) for name, case in LIKELIHOODS.items()},
}


OF_DOUBLES = ("two levels", "a ladder")
"""Uses of models in float64."""


def errors_of(
    uses: Iterable[str], x: Tensor, to: Callable[[Module], Module]
) -> dict[str, str | None]:
    """Return what each use raises with these data and the model moved so, None if nothing."""
    errors: dict[str, str | None] = {}
    for name in uses:
        torch.manual_seed(0)
        try:
            USES[name](x, Y, to)
            errors[name] = None
        except Exception:
            errors[name] = traceback.format_exc()
    return errors


def main() -> None:
    """Run each use with the model on a far device, and print the errors."""
    register()
    warnings.simplefilter("ignore")
    two_sample = importlib.import_module("priory.evaluation.two_sample")
    two_sample.classifier_test = partial(two_sample.classifier_test, num_permutations=3)
    with FarDevice(columns=X.shape[1]) as device:
        there = lambda module: module.to(FAR)  # noqa: E731
        errors = {
            "model": errors_of(USES, X, there),
            "data": errors_of(USES, X.to(FAR), lambda module: module),
        }
        data, far = X.repeat(250, 1), model().to(FAR)
        rows = {}
        for name, use in {
            "aggregated posterior": lambda: aggregated_posterior(far.encoder, data, batch_size=300),
            "nll": lambda: ev.negative_log_likelihood(far, data, 4),
            "fit_prior": lambda: fitted("mog", far, data, init="random"),
        }.items():
            device.moved.clear()
            use()
            rows[name] = list(device.moved)
        device.has_float64 = False
        blocks.WITHOUT_FLOAT64.add(torch.device(FAR).type)
        of_floats = [name for name in USES if name not in OF_DOUBLES]
        errors["no float64"] = errors_of(of_floats, X, there)
    json.dump({"errors": errors, "rows": rows, "data": len(data)}, sys.stdout)


if __name__ == "__main__":
    main()
