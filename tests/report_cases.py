"""What the tests of the page show on it."""

from dataclasses import replace

import torch

from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder
from priory.evaluation import LogProb, evaluate, exhibit, explore
from priory.priors import make_prior
from priory.report import Entry, Recipe, Subject

SUBJECT = Subject("Digits", "A test.", (0, 1), (Recipe("run", "priory train", "data: x"),))


def make_vae(prior: str = "mog", latent_dim: int = 2, seed: int = 0) -> VAE:
    torch.manual_seed(seed)
    encoder = GaussianEncoder(MLP((6, 5), (2 * latent_dim,), (8,)), data_range=(0, 1))
    options = {"num_components": 3, "data_shape": (6, 5), "data_range": (0, 1), "init": "random"}
    model = make_prior(prior, latent_dim=latent_dim, **options)
    return VAE(encoder, BernoulliDecoder(MLP((latent_dim,), (6, 5), (8,))), model).eval()


def make_entry(
    vae: VAE, x: torch.Tensor, name: str = "MoGPrior", labels=None, examples: bool = True
) -> Entry:
    shown = exhibit(vae, x, num_samples=9, examples=examples)
    few = {"side": 9, "num_samples": 40, "num_decoded": 16}
    seen = explore(vae, x, z=shown.z, labels=labels, examples=examples, **few)
    size = sum(p.numel() for p in vae.prior.parameters())
    return Entry(name, evaluate(vae, x, 8), shown, 3, 1.0, seen, labels, parameters=size)


X = (torch.rand(24, 6, 5, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def with_nll(
    entry: Entry, name: str, nll: torch.Tensor, data: torch.Tensor | None = None, **more: object
) -> Entry:
    error = float(nll.std()) / len(nll) ** 0.5
    numbers = {"nll": float(nll.mean()), "nll_standard_error": error, **more}
    evaluation = replace(
        entry.evaluation,
        record={**entry.evaluation.record, **numbers},
        log_prob=LogProb.of(X if data is None else data, -nll),
    )
    return replace(entry, name=name, evaluation=evaluation)


def with_numbers(entry: Entry, name: str, **numbers: object) -> Entry:
    record = {**entry.evaluation.record, **numbers}
    return replace(entry, name=name, evaluation=replace(entry.evaluation, record=record))


def with_seeds(name: str, *seeds: Entry) -> Entry:
    """Return a prior that was trained with several seeds, measured as these."""
    first, *others = seeds
    return replace(first, name=name, repeats=tuple(one.evaluation for one in others))
