"""Models on devices without float64, and on another device than the data."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

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
}
over_uses = pytest.mark.parametrize("use", USES.values(), ids=USES)


class WithoutFloat64(TorchDispatchMode):
    """Refuses whatever has a result in float64, as some devices do."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.dtype == torch.float64:
                raise TypeError(f"this device has no float64, and {func} returned it.")
        return result


@pytest.mark.usefixtures("few_permutations")
@over_uses
def test_nothing_needs_float64(use, monkeypatch):
    monkeypatch.setattr(blocks, "WITHOUT_FLOAT64", {"cpu"})
    with WithoutFloat64():
        use(X, Y, lambda module: module)


def test_the_mode_refuses_float64():
    with WithoutFloat64(), pytest.raises(TypeError, match="no float64"):
        ev.negative_log_likelihood(model(), X, 9)


class Elsewhere(Tensor):
    """A tensor that is taken to lie on another device than all plain ones.

    `to` brings it here, and indices may come from here, as from a processor. What else mixes the
    two is refused, as torch refuses it.
    """

    moved: list[int] = []  # noqa: RUF012 (the sizes of all that was brought here)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            retyped = func is Tensor.to and all(
                isinstance(target, torch.dtype | Elsewhere) for target in args[1:]
            )
            if not retyped and func in (
                Tensor.to,
                Tensor.cpu,
                Tensor.tolist,
                Tensor.__repr__,
                Tensor.item,
            ):
                plain = tree_map(lambda t: t.as_subclass(Tensor) if _is_tensor(t) else t, args)
                if func is Tensor.to and isinstance(args[0], Elsewhere):
                    cls.moved.append(len(args[0]) if args[0].dim() else 1)
                return func(*plain, **(kwargs or {}))
            given = args[:1] if retyped or func is Tensor.__getitem__ else (args, kwargs or {})
            tensors = [t for t in tree_leaves(given) if _is_tensor(t) and t.dim() > 0]
            if len({isinstance(t, Elsewhere) for t in tensors}) > 1:
                raise RuntimeError(f"{func} was given tensors on two devices.")
            result = func(*args, **(kwargs or {}))
            if retyped and isinstance(args[-1], Elsewhere):
                return result.as_subclass(Elsewhere)
        if not any(isinstance(t, Elsewhere) for t in tensors):
            return result
        return tree_map(lambda t: t.as_subclass(cls) if _is_tensor(t) else t, result)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


# `measure` compares data with data, for which it makes positions on their device: that no
# pretence can follow.
@pytest.mark.parametrize("use", [use for name, use in USES.items() if "measure" not in name])
def test_data_elsewhere_are_brought_to_the_model(use):
    use(X.as_subclass(Elsewhere), Y, lambda module: module)


def test_data_are_brought_in_blocks():
    data = X.repeat(250, 1).as_subclass(Elsewhere)
    with pytest.raises(RuntimeError, match="two devices"):
        data + X.repeat(250, 1)
    for use in (
        lambda: aggregated_posterior(model().encoder, data, batch_size=300),
        lambda: ev.negative_log_likelihood(model(), data, 4),
        lambda: fitted("mog", model(), data, init="random"),
    ):
        Elsewhere.moved.clear()
        use()
        assert 1 < max(Elsewhere.moved) < len(data) / 2
        assert sum(Elsewhere.moved) >= len(data)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no other device")
@over_uses
def test_a_model_on_a_gpu_takes_data_from_the_processor(use):
    use(X, Y, lambda module: module.cuda())
